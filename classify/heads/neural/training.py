"""Train a stack of networks, each on its own part of the same utterances, and keep their curves."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from joblib import cpu_count
from sklearn.base import BaseEstimator

from classify.heads import NoOptimum
from classify.heads.neural.networks import Network
from classify.heads.neural.noise import Noise, Rows
from classify.heads.neural.optimizer import AdamW
from classify.heads.neural.stacked import initialise

CHUNK = 4_500_000  # numbers that are trained side by side: more do not stay in a core's cache
PREDICTION_BATCH = 256  # utterances of each replica; bounds memory only
ORDER, STEPS = 0, 1  # moments of an epoch at which random numbers are drawn
EARLIER = 1e-4  # by which a held-out loss has to fall to count as better
NOTHING = 1e-12  # weight; keeps an empty sum from being divided by 0

Scores = dict[str, torch.Tensor]  # name → (replica,)


@dataclass(frozen=True)
class TrainingPart:
    """Training, stopping and test rows of one replica."""

    train: Rows
    stop: Rows  # whose loss decides when to end; may be empty
    test: Rows  # of the curves heldout_…, which decide nothing; may be empty
    weight: npt.NDArray[np.float32]  # (utterance,) 1 on average over `train`
    mean: torch.Tensor  # (layer, 1, dim) of the features
    scale: torch.Tensor  # (layer, 1, dim)
    target: torch.Tensor  # (utterance, output)
    seed: int


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
        """`chosen` of each replica as one array (replica, `length`), and which of its rows are not
        padding."""
        rows = np.zeros((len(chosen), length), np.intp)
        meant = np.zeros(rows.shape, bool)
        for row, flag, some in zip(rows, meant, chosen, strict=True):
            row[: len(some)], flag[: len(some)] = some, True
        device = self.x.device
        return torch.from_numpy(rows).to(device), torch.from_numpy(meant).to(device)


class Curves:
    """The curves of each replica, and its parameters at the end of its best epoch.

    Attributes:
        kept: name → parameters (replica, …).
        epoch: (replica,) the best epoch, from 0.
        histories: one value an epoch of each curve.
        alive: (replica,) whether it still trains.
    """

    def __init__(self, network: Network, parts: Sequence[TrainingPart], patience: int) -> None:
        self.network, self.patience = network, patience
        self.stops = np.array([len(part.stop) > 0 for part in parts])
        self.kept = {name: value.clone() for name, value in network.state_dict().items()}
        self.loss = np.full(len(parts), math.inf)
        self.epoch = np.full(len(parts), -1)
        self.alive = np.ones(len(parts), bool)
        self.histories: list[dict[str, list[float]]] = [{} for _ in parts]

    def note(self, epoch: int, scores: Scores) -> None:
        """Record an epoch's scores, and the parameters of the replicas that improved."""
        values = {name: value.double().cpu().numpy() for name, value in scores.items()}
        loss = values.get("stop_loss", np.full(len(self.loss), math.nan))
        better = self.alive & (~self.stops | (loss < self.loss - EARLIER))
        self.loss[better], self.epoch[better] = loss[better], epoch
        rows = torch.from_numpy(np.flatnonzero(better))
        for name, value in self.network.state_dict().items():
            self.kept[name][rows] = value[rows]
        for replica in np.flatnonzero(self.alive):
            for name, value in values.items():
                if not math.isnan(value[replica]):
                    self.histories[replica].setdefault(name, []).append(float(value[replica]))
        self.alive &= ~self.stops | (epoch - np.maximum(self.epoch, 0) < self.patience)


@dataclass(eq=False, repr=False)
class Trainable(BaseEstimator):
    """Base class of `NeuralHead`: how its networks are trained.

    Args:
        epochs: most passes over the training part.
        patience: passes without a lower loss on what is held out inside of the training part before
            training ends; the pass of the lowest counts. None: nothing is held out.
        batch_size: utterances of one step of AdamW.
        learning_rate: at the beginning; falls to zero along half a cosine.
        weight_decay: of AdamW.
        mixup: parameter of the beta distribution that pairs of utterances are blended by (Zhang et
            al. 2018, arXiv 1710.09412); 0: they are not.
        hidden: width of the hidden layer.
        dropout: share of the hidden numbers that is zeroed while training.
        device: of torch.

    Attributes:
        network_: the trained torch module, a stack of one.
        history_: one value an epoch of each curve: the training loss and other scores over the
            epoch's batches, under dropout (train_…), and those of the rows to stop by (stop_…) and
            of the rows that are watched (heldout_…).
        epoch_: the epoch, from 1, that the network is of.
    """

    network: ClassVar[Callable[..., Network]]

    epochs: int = 30
    patience: int | None = None
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    mixup: float = 0.0
    hidden: int = 64
    dropout: float = 0.5
    device: str = "cpu"

    def _loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(replica, utterance) the training loss of outputs (replica, utterance, output)."""
        raise NotImplementedError

    def _scores(self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> Scores:
        """Scores over the utterances, of weight (replica, utterance); among them "loss", without
        label smoothing."""
        raise NotImplementedError

    def _stack(self, replicas: int, layers: int, dim: int, outputs: int) -> Network:
        """Untrained networks."""
        return self.network(replicas, layers, dim, self.hidden, outputs, self.dropout)

    def _train(
        self,
        x: torch.Tensor,
        mask: torch.Tensor,
        parts: Sequence[TrainingPart],
        heads: Sequence["Trainable"],
    ) -> None:
        """Train `heads`, one on each part, a stack of some at a time on each core.

        The best epoch of a head has the least loss on the held-out rows of its part; without such
        rows it is the last epoch. A head depends only on its own part and seed. The size of a stack
        does not depend on the number of cores, and each computes on one thread: the result has the
        same bytes under any load.

        Args:
            x: (utterance, layer, moment, dim) features, zero where `mask` is not set.
            mask: (utterance, moment) which moments there are.
            parts: what each head is trained on.
            heads: with the parameters of this one; they receive the attributes that are learned.

        Raises:
            NoOptimum: the loss is no longer finite.
        """
        shape = (x.shape[1], x.shape[3], parts[0].target.shape[1])
        of_one = sum(value.numel() for value in self._stack(1, *shape).parameters())
        size = 4 * of_one + 2 * self.batch_size * x[0].numel()
        count = min(max(2, math.ceil(len(parts) * size / CHUNK)), len(parts))
        order = sorted(range(len(parts)), key=lambda number: -len(parts[number].train))

        def run(chunk: Sequence[int]) -> None:
            with one_thread():
                network = self._stack(len(chunk), *shape)
                curves = self._curves(network, Stack(x, mask, [parts[n] for n in chunk]))
                for replica, number in enumerate(chunk):
                    head = heads[number]
                    head.network_ = self._stack(1, *shape)
                    own = {name: value[[replica]] for name, value in curves.kept.items()}
                    head.network_.load_state_dict(own)
                    head.history_ = curves.histories[replica]
                    head.epoch_ = int(curves.epoch[replica]) + 1

        cores = cpu_count() if self.device == "cpu" else 1
        with one_thread(), ThreadPoolExecutor(cores) as pool:
            list(pool.map(run, [some.tolist() for some in np.array_split(order, count)]))

    def _curves(self, network: Network, stack: Stack) -> Curves:
        """Train each replica of `network` on its part of `stack`."""
        parts = stack.parts
        initialise(network, [part.seed for part in parts])
        network.to(stack.x.device)
        steps = [math.ceil(len(part.train) / self.batch_size) for part in parts]
        ends = np.flatnonzero(np.diff(steps, prepend=0, append=0)).tolist()
        groups = [slice(*some) for some in pairwise(ends)]  # of replicas with the same steps
        optimizer = AdamW(network, groups, self.weight_decay)
        noise = Noise([part.seed for part in parts], stack.x.device)
        curves = Curves(network, parts, self.patience or 0)
        for epoch in range(self.epochs):
            noise.begin(epoch, ORDER)
            orders = noise.orders([len(part.train) for part in parts])
            shuffled = [part.train[order] for part, order in zip(parts, orders, strict=True)]
            rows, meant = stack.rows(shuffled, steps[0] * self.batch_size)
            sizes = meant.unflatten(1, (-1, self.batch_size)).sum(2).clamp(min=1)
            target = stack.target[stack.replica, rows]
            weight = stack.weight[stack.replica, rows] * meant
            batches = zip(
                *(of_all.split(self.batch_size, 1) for of_all in (rows, target, weight)),
                sizes.split(1, 1),
                strict=True,
            )
            noise.begin(epoch, STEPS)
            seen = []
            for step, batch in enumerate(batches):
                seen.append(self._learn(network, stack, noise, *batch))
                shares = [step / steps[group.start] for group in groups]
                rates = [self._rate(epoch + share) if share < 1 else None for share in shares]
                optimizer.step(rates)
            found = self._scores(*(torch.cat(some, 1) for some in zip(*seen, strict=True)))
            scores = {f"train_{name}": value for name, value in found.items()}
            for name in ("stop", "test"):
                found = self._evaluated(network, stack, [getattr(part, name) for part in parts])
                kind = "heldout" if name == "test" else name
                scores |= {f"{kind}_{score}": value for score, value in found.items()}
            if not scores["train_loss"].isfinite().all():
                raise NoOptimum(
                    "the training loss is not finite: look for extreme features, or take a smaller "
                    "--learning-rate"
                )
            curves.note(epoch, scores)
            if not curves.alive.any():
                break
        return curves

    def _rate(self, epochs: float) -> float:
        """The learning rate after some epochs."""
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * epochs / self.epochs))

    def _learn(
        self,
        network: Network,
        stack: Stack,
        noise: Noise,
        rows: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor,
        sizes: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Compute the gradients of a batch `rows` (replica, utterance), of which the first `sizes`
        (replica, 1) count; return outputs, targets and weights."""
        x, mask = stack.inputs(rows)
        if self.mixup:
            share = noise.beta(self.mixup)
            other = (torch.arange(rows.shape[1], device=rows.device) + 1) % sizes
            x = _blend(x, x[stack.replica, other], share[..., None, None, None])
            mask = mask | mask[stack.replica, other]
            target = _blend(target, target[stack.replica, other], share[..., None])
        outputs = network(x, mask, noise)
        (self._loss(outputs, target) * (weight / sizes)).sum().backward()
        return outputs.detach(), target, weight

    @torch.no_grad()
    def _evaluated(self, network: Network, stack: Stack, chosen: Sequence[Rows]) -> Scores:
        """Scores (replica,) of some rows of each replica; NaN for a replica without rows."""
        longest = max(map(len, chosen))
        if not longest:
            return {}
        rows, meant = stack.rows(chosen, longest)
        batches = rows.split(PREDICTION_BATCH, 1)
        outputs = torch.cat([network(*stack.inputs(some)) for some in batches], 1)
        found = self._scores(outputs, stack.target[stack.replica, rows], meant.to(outputs.dtype))
        empty = ~meant.any(1)
        return {name: value.masked_fill(empty, math.nan) for name, value in found.items()}


def _blend(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return other + share * (one - other)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
