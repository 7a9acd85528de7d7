"""Train a network by AdamW under a cosine schedule, and keep its curves."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from classify.heads.adamw import AdamW

MAX_GRADIENT_NORM = 1.0
PREDICTION_BATCH = 1024  # utterances; bounds memory only

History = dict[str, list[float]]


@dataclass(frozen=True)
class Part:
    """Utterances as a network sees them; by convention standardised, and zero where masked."""

    x: torch.Tensor  # (utterance, step, dim) float32
    mask: torch.Tensor  # (utterance, step) bool, true where there is a step
    target: torch.Tensor  # (utterance,) int64
    weight: torch.Tensor  # (utterance,) float32, 1 on average

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Schedule:
    """How long, and in what steps, to train."""

    epochs: int
    batch_size: int  # utterances
    learning_rate: float  # at the beginning; it falls to zero along half a cosine
    weight_decay: float
    label_smoothing: float


def train(network: nn.Module, part: Part, schedule: Schedule, heldout: Part | None) -> History:
    """Fit `network` to `part` in place; randomness comes from torch's global generator.

    Returns:
        One value an epoch of train_loss and train_accuracy (means over the epoch's batches, under
        dropout) and, where `heldout` is given, heldout_loss, heldout_accuracy and heldout_uar. The
        held-out part is looked at and decides nothing. Losses are cross-entropies in nats, without
        label smoothing.

    Raises:
        ValueError: the loss is no longer finite.
    """
    optimizer = AdamW(network, schedule.weight_decay, MAX_GRADIENT_NORM)
    steps = schedule.epochs * math.ceil(len(part) / schedule.batch_size)
    history: History = {}
    for _ in range(schedule.epochs):
        network.train()
        loss_sum, correct = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(len(part)).split(schedule.batch_size):
            target, weight = part.target[rows], part.weight[rows]
            logits = network(*_inputs(part, rows))
            shares = logits.log_softmax(1)
            losses = -shares.gather(1, target[:, None])[:, 0]
            spread = -shares.mean(1)
            smoothed = losses.lerp(spread, schedule.label_smoothing)
            (smoothed * weight).mean().backward()
            cosine = 0.5 + 0.5 * math.cos(math.pi * optimizer.steps / steps)
            optimizer.step(schedule.learning_rate * cosine)
            with torch.no_grad():
                loss_sum += weight @ losses
                correct += weight @ (logits.argmax(1) == target).float()
        if not loss_sum.isfinite():
            raise ValueError("the training loss is not finite: look for extreme features")
        total = part.weight.sum()
        _append(history, "train", loss=loss_sum / total, accuracy=correct / total)
        if heldout is not None:
            logits = predict(network, heldout.x, heldout.mask)
            hit = (logits.argmax(1) == heldout.target).double()
            recall = [hit[heldout.target == k].mean() for k in heldout.target.unique()]
            loss = F.cross_entropy(logits, heldout.target)
            uar = torch.stack(recall).mean()
            _append(history, "heldout", loss=loss, accuracy=hit.mean(), uar=uar)
    return history


@torch.no_grad()
def predict(network: nn.Module, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits (utterance, class) as float64."""
    network.eval()
    parts = zip(x.split(PREDICTION_BATCH), mask.split(PREDICTION_BATCH), strict=True)
    return torch.cat([network(*part).double() for part in parts])


def _inputs(part: Part, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of a batch, cut to the longest of them."""
    mask = part.mask[rows]
    longest = int(mask.sum(1).max().clamp(min=1))
    return part.x[rows, :longest], mask[:, :longest]


def _append(history: History, prefix: str, **scores: torch.Tensor) -> None:
    for name, value in scores.items():
        history.setdefault(f"{prefix}_{name}", []).append(float(value))
