"""Training losses of the neural heads, and the scores of their curves.

Axes: outputs and targets (replica, utterance, output), weights (replica, utterance).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional as F

NOTHING = 1e-12  # weight; keeps an empty sum from being divided by 0

EpochScores = dict[str, torch.Tensor]  # name → (replica,)


class Objective(Protocol):
    """A loss of every utterance, and scores of many."""

    def loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(replica, utterance) the training loss."""
        ...

    def scores(
        self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
    ) -> EpochScores:
        """Scores over the utterances, among them "loss", without label smoothing."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Of classes, in nats; targets are shares of the classes.

    Args:
        smoothing: share of the target that is spread over all classes (Szegedy et al. 2016,
            Rethinking the Inception Architecture, section 7).
    """

    smoothing: float

    def loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        smoothed = target.lerp(torch.full_like(target, 1 / target.shape[-1]), self.smoothing)
        return -(smoothed * outputs.log_softmax(-1)).sum(-1)

    def scores(
        self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
    ) -> EpochScores:
        truth = target.argmax(-1)
        counted = F.one_hot(truth, target.shape[-1]) * weight[..., None]
        support = counted.sum(1)  # (replica, class)
        hits = (counted * (outputs.argmax(-1) == truth)[..., None]).sum(1)
        total = support.sum(1).clamp(min=NOTHING)
        losses = -(target * outputs.log_softmax(-1)).sum(-1)
        recall = hits / support.clamp(min=NOTHING)
        return {
            "loss": (losses * weight).sum(1) / total,
            "accuracy": hits.sum(1) / total,
            "uar": recall.sum(1) / (support > 0).sum(1).clamp(min=1),
        }


@dataclass(frozen=True)
class SquaredError:
    """Of standardised numbers: the mean over them of the squared difference."""

    def loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (outputs - target).square().mean(-1)

    def scores(
        self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
    ) -> EpochScores:
        total = weight.sum(1).clamp(min=NOTHING)
        return {"loss": (self.loss(outputs, target) * weight).sum(1) / total}
