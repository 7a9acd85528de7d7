"""What neural heads minimise, and the scores that their curves show.

Axes: outputs and targets (replica, utterance, output), weights (replica, utterance).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional as F

Tally = dict[str, torch.Tensor]  # sums over utterances, the replica as first axis
NOTHING = 1e-12  # weight; keeps an empty sum from being divided by 0


class Objective(Protocol):
    """A loss of every utterance, and scores of many."""

    def loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(replica, utterance) what training makes small."""
        ...

    def tally(self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> Tally:
        """What is summed over batches to get at the scores."""
        ...

    def scores(self, tally: Tally) -> dict[str, torch.Tensor]:
        """Name → (replica,); "loss" is among them, without label smoothing."""
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

    def tally(self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> Tally:
        truth = target.argmax(-1)
        support = F.one_hot(truth, target.shape[-1]) * weight[..., None]
        hit = outputs.argmax(-1) == truth
        losses = -(target * outputs.log_softmax(-1)).sum(-1)
        return {
            "loss": (losses * weight).sum(1),
            "support": support.sum(1),  # (replica, class)
            "hits": (support * hit[..., None]).sum(1),
        }

    def scores(self, tally: Tally) -> dict[str, torch.Tensor]:
        total = tally["support"].sum(1).clamp(min=NOTHING)
        occurs = tally["support"] > 0
        recall = tally["hits"] / tally["support"].clamp(min=NOTHING)
        return {
            "loss": tally["loss"] / total,
            "accuracy": tally["hits"].sum(1) / total,
            "uar": recall.sum(1) / occurs.sum(1).clamp(min=1),
        }


@dataclass(frozen=True)
class SquaredError:
    """Of standardised numbers: the mean over them of the squared difference."""

    def loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (outputs - target).square().mean(-1)

    def tally(self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> Tally:
        losses = self.loss(outputs, target)
        return {"loss": (losses * weight).sum(1), "weight": weight.sum(1)}

    def scores(self, tally: Tally) -> dict[str, torch.Tensor]:
        return {"loss": tally["loss"] / tally["weight"].clamp(min=NOTHING)}
