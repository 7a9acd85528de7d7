"""AdamW (Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization) for stacked networks."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.adamw import adamw  # the class AdamW imports torch's compiler, which takes 1 s


class AdamW:
    """Take steps of ``torch.optim.AdamW`` after clipping the gradient norm of each replica.

    Args:
        network: every parameter has the replica as its first axis.
        groups: consecutive replicas that have taken the same number of steps.
    """

    def __init__(
        self, network: nn.Module, groups: Sequence[slice], weight_decay: float, max_norm: float
    ) -> None:
        self.parameters = list(network.parameters())
        self.groups = [_Group(rows, self.parameters) for rows in groups]
        self.weight_decay, self.max_norm = weight_decay, max_norm

    @torch.no_grad()
    def step(self, learning_rates: Sequence[float | None]) -> None:
        """Update the parameters and clear the gradients.

        Args:
            learning_rates: one for each group; None leaves the group as it is.
        """
        used = [number for number, p in enumerate(self.parameters) if p.grad is not None]
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
        scale = (self.max_norm / torch.linalg.vector_norm(torch.stack(norms), dim=0)).clamp(max=1)
        if (scale < 1).any():
            for gradient in gradients:
                gradient *= scale.reshape(-1, *[1] * (gradient.ndim - 1))
        for group, rate in zip(self.groups, learning_rates, strict=True):
            if rate is None:
                continue
            adamw(
                [group.parameters[number] for number in used],
                [gradient[group.rows] for gradient in gradients],
                [group.means[number] for number in used],
                [group.squares[number] for number in used],
                [],
                [group.steps[number] for number in used],
                fused=True,
                lr=rate,
                beta1=0.9,
                beta2=0.999,
                weight_decay=self.weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
        for parameter in self.parameters:
            parameter.grad = None


class _Group:
    """State of the optimizer for some replicas."""

    def __init__(self, rows: slice, parameters: Sequence[nn.Parameter]) -> None:
        self.rows = rows
        self.parameters = [parameter.detach()[rows] for parameter in parameters]
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]
