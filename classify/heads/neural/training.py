"""Train a stack of networks, each on its own part of the same utterances, and keep their curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch

from classify.heads import NoOptimum
from classify.heads.neural.networks import Network
from classify.heads.neural.noise import Noise, Rows
from classify.heads.neural.objectives import EpochScores, Objective
from classify.heads.neural.optimizer import AdamW
from classify.heads.neural.stacked import initialise

MAX_GRADIENT_NORM = 1.0
PREDICTION_BATCH = 256  # utterances of each replica; bounds memory only
ORDER, STEPS = 0, 1  # moments of an epoch at which is drawn
EARLIER = 1e-4  # by which a held-out loss has to fall to count as better

History = dict[str, list[float]]


@dataclass(frozen=True)
class Schedule:
    """Hyperparameters of training."""

    epochs: int
    patience: int  # epochs without a lower loss on the held-out part, before it ends
    batch_size: int  # utterances
    learning_rate: float  # at the beginning; it falls to zero along half a cosine
    weight_decay: float
    mixup: float  # both parameters of the beta distribution that shares are drawn from; 0: none


@dataclass(frozen=True)
class TrainingPart:
    """Training, stopping and test rows of one replica."""

    train: Rows
    stop: Rows  # whose loss decides when to end; may be empty
    test: Rows  # looked at for the curves, deciding nothing; may be empty
    weight: npt.NDArray[np.float32]  # (utterance,) 1 on average over `train`
    mean: torch.Tensor  # (layer, 1, dim) of the features
    scale: torch.Tensor  # (layer, 1, dim)
    target: torch.Tensor  # (utterance, output)
    seed: int


@dataclass(frozen=True)
class Trained:
    """One network of a stack at the end of its best epoch."""

    parameters: dict[str, torch.Tensor]  # with a replica axis of length 1
    history: History
    epoch: int  # from 1, the epoch it is of


class Stack:
    """Training parts of the same features, read in batches for all replicas at once."""

    def __init__(self, x: torch.Tensor, mask: torch.Tensor, parts: Sequence[TrainingPart]) -> None:
        """Of features x (utterance, layer, moment, dim), zero where `mask` (utterance, moment) is
        not set."""
        self.x, self.mask, self.parts = x, mask, parts
        self.ragged = not bool(mask.all())
        self.mean = torch.stack([part.mean for part in parts])[:, None]
        self.inverse = torch.stack([1 / part.scale for part in parts])[:, None]
        # (replica, 1, layer, 1, dim)
        self.target = torch.stack([part.target for part in parts])
        self.weight = torch.stack([torch.from_numpy(part.weight).to(x.device) for part in parts])
        self.replica = torch.arange(len(parts), device=x.device)[:, None]

    def inputs(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardised features and mask of `rows` (replica, utterance), cut to the longest."""
        if self.ragged:
            mask = self.mask[rows]
            mask = mask[..., : int(mask.sum(-1).max().clamp(min=1))]
        else:
            mask = self.mask[:1].expand(*rows.shape, -1)
        x = self.x[:, :, : mask.shape[-1]].index_select(0, rows.flatten()).unflatten(0, rows.shape)
        x.sub_(self.mean).mul_(self.inverse)  # in this order float32 cancels nothing
        return (x.mul_(mask[:, :, None, :, None]) if self.ragged else x), mask

    def rows(self, chosen: Sequence[Rows], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`chosen` of each replica as one array (replica, `length`), and which of it is meant."""
        rows = np.zeros((len(chosen), length), np.intp)
        meant = np.zeros(rows.shape, bool)
        for row, flag, some in zip(rows, meant, chosen, strict=True):
            row[: len(some)], flag[: len(some)] = some, True
        device = self.x.device
        return torch.from_numpy(rows).to(device), torch.from_numpy(meant).to(device)


def train(
    network: Network, stack: Stack, objective: Objective, schedule: Schedule
) -> list[Trained]:
    """Fit each replica of `network` to its part of `stack`; return it at the end of its best epoch.

    The best epoch has the least loss on the held-out rows of the part; without such rows it is the
    last epoch. A replica depends only on its own part and seed.

    Returns:
        With the histories: one value an epoch of train_loss and the scores of the objective
        (train_…, over the epoch's batches, under dropout), and the same of the rows to stop by
        (stop_…) and to test (heldout_…).

    Raises:
        NoOptimum: the loss is no longer finite.
    """
    parts = stack.parts
    initialise(network, [part.seed for part in parts])
    network.to(stack.x.device)
    steps = [math.ceil(len(part.train) / schedule.batch_size) for part in parts]
    if steps != sorted(steps, reverse=True):
        raise ValueError("parts of a stack: expected the largest first")
    groups = list(_groups(steps))
    optimizer = AdamW(network, groups, schedule.weight_decay, MAX_GRADIENT_NORM)
    noise = Noise([part.seed for part in parts], stack.x.device)
    best = _Best(network, parts, schedule.patience)
    for epoch in range(schedule.epochs):
        network.train()
        noise.begin(epoch, ORDER)
        orders = noise.orders([len(part.train) for part in parts])
        shuffled = [part.train[order] for part, order in zip(parts, orders, strict=True)]
        rows, meant = stack.rows(shuffled, steps[0] * schedule.batch_size)
        sizes = meant.unflatten(1, (-1, schedule.batch_size)).sum(2).clamp(min=1)
        target = stack.target[stack.replica, rows]
        weight = stack.weight[stack.replica, rows] * meant
        batches = zip(
            *(of_all.split(schedule.batch_size, 1) for of_all in (rows, target, weight)),
            sizes.split(1, 1),
            strict=True,
        )
        noise.begin(epoch, STEPS)
        seen = []
        for step, batch in enumerate(batches):
            seen.append(_learn(network, stack, objective, schedule, noise, *batch))
            rates = [
                _cosine(schedule, epoch + step / steps[group.start])
                if step < steps[group.start]
                else None
                for group in groups
            ]
            optimizer.step(rates)
        found = objective.scores(*(torch.cat(some, 1) for some in zip(*seen, strict=True)))
        scores = {f"train_{name}": value for name, value in found.items()}
        for name, some in (("stop", [p.stop for p in parts]), ("heldout", [p.test for p in parts])):
            found = evaluate(network, stack, objective, some)
            scores |= {f"{name}_{score}": value for score, value in found.items()}
        if not scores["train_loss"].isfinite().all():
            raise NoOptimum(
                "the training loss is not finite: look for extreme features, or take a smaller "
                "--learning-rate"
            )
        best.note(epoch, scores)
        if best.done:
            break
    return best.found()


def _learn(
    network: Network,
    stack: Stack,
    objective: Objective,
    schedule: Schedule,
    noise: Noise,
    rows: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    sizes: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Compute the gradients of a batch `rows` (replica, utterance), of which the first `sizes`
    (replica, 1) count; return outputs, targets and weights."""
    x, mask = stack.inputs(rows)
    if schedule.mixup:
        share = noise.beta(schedule.mixup)
        other = (torch.arange(rows.shape[1], device=rows.device) + 1) % sizes
        x = _blend(x, x[stack.replica, other], share[..., None, None, None])
        mask = mask | mask[stack.replica, other]
        target = _blend(target, target[stack.replica, other], share[..., None])
    outputs = network(x, mask, noise)
    (objective.loss(outputs, target) * (weight / sizes)).sum().backward()
    return outputs.detach(), target, weight


def _blend(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return other + share * (one - other)


def _cosine(schedule: Schedule, epochs: float) -> float:
    return schedule.learning_rate * (0.5 + 0.5 * math.cos(math.pi * epochs / schedule.epochs))


def _groups(steps: Sequence[int]) -> list[slice]:
    """Slices of consecutive equal numbers."""
    lengths = [len(list(members)) for _, members in groupby(steps)]
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


@torch.no_grad()
def evaluate(
    network: Network, stack: Stack, objective: Objective, chosen: Sequence[Rows]
) -> EpochScores:
    """Scores (replica,) of some rows of each replica; NaN for a replica without rows."""
    longest = max(map(len, chosen))
    if not longest:
        return {}
    rows, meant = stack.rows(chosen, longest)
    outputs = predict(network, stack, rows)
    target, weight = stack.target[stack.replica, rows], meant.to(outputs.dtype)
    empty = ~meant.any(1)
    return {
        name: value.masked_fill(empty, math.nan)
        for name, value in objective.scores(outputs, target, weight).items()
    }


@torch.no_grad()
def predict(network: Network, stack: Stack, rows: torch.Tensor) -> torch.Tensor:
    """Outputs (replica, utterance, output) of `rows` (replica, utterance)."""
    network.eval()
    parts = rows.split(PREDICTION_BATCH, 1)
    return torch.cat([network(*stack.inputs(part)) for part in parts], 1)


class _Best:
    """The parameters of each replica at the end of its best epoch."""

    def __init__(self, network: Network, parts: Sequence[TrainingPart], patience: int) -> None:
        self.network, self.patience = network, patience
        self.stops = np.array([len(part.stop) > 0 for part in parts])
        self.kept = {name: value.clone() for name, value in network.state_dict().items()}
        self.loss = np.full(len(parts), math.inf)
        self.epoch = np.full(len(parts), -1)
        self.last = np.full(len(parts), -1)  # epoch that belongs to the history
        self.histories: list[History] = [{} for _ in parts]

    def note(self, epoch: int, scores: EpochScores) -> None:
        """Record an epoch's scores, and the parameters of the replicas that improved."""
        alive = self.alive(epoch)
        values = {name: value.double().cpu().numpy() for name, value in scores.items()}
        loss = values.get("stop_loss", np.full(len(self.loss), math.nan))
        better = alive & (~self.stops | (loss < self.loss - EARLIER))
        self.loss[better & self.stops] = loss[better & self.stops]
        self.epoch[better], self.last[alive] = epoch, epoch
        if better.any():
            rows = torch.from_numpy(np.flatnonzero(better))
            with torch.no_grad():
                for name, value in self.network.state_dict().items():
                    self.kept[name][rows] = value[rows]
        for replica in np.flatnonzero(alive):
            for name, value in values.items():
                if not math.isnan(value[replica]):
                    self.histories[replica].setdefault(name, []).append(float(value[replica]))

    def alive(self, epoch: int) -> npt.NDArray[np.bool_]:
        """(replica,) whether it still trains at an epoch."""
        waited = epoch - 1 - np.maximum(self.epoch, 0)
        return ~self.stops | (waited < self.patience)

    @property
    def done(self) -> bool:
        """Whether no replica trains any longer."""
        return not self.alive(int(self.last.max()) + 1).any()

    def found(self) -> list[Trained]:
        """The best parameters and the history of each replica."""
        return [
            Trained(
                {name: value[[replica]].clone() for name, value in self.kept.items()},
                history,
                int(self.epoch[replica]) + 1,
            )
            for replica, history in enumerate(self.histories)
        ]
