"""AdamW (Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization) for stacked networks."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """The steps of ``torch.optim.AdamW`` after clipping the norm of each replica's gradient.

    It calls the operation that ``torch.optim.AdamW(fused=True)`` ends in; that class imports the
    compiler of torch before its first step, which takes longer than to train a head. Replicas may
    have taken different numbers of steps.

    Args:
        network: every parameter has the replica as its first axis.
        groups: consecutive replicas that are stepped together.
    """

    def __init__(
        self, network: nn.Module, groups: Sequence[slice], weight_decay: float, max_norm: float
    ) -> None:
        self.parameters = list(network.parameters())
        device = self.parameters[0].device
        self.groups = [
            _Group(rows, self.parameters, torch.zeros((), device=device)) for rows in groups
        ]
        self.weight_decay = weight_decay
        self.max_norm = max_norm

    @torch.no_grad()
    def step(self, learning_rates: Sequence[float | None]) -> None:
        """Move along the gradients, and forget them.

        Args:
            learning_rates: one a group; None leaves the group as it is.
        """
        gradients = {
            number: p.grad for number, p in enumerate(self.parameters) if p.grad is not None
        }
        norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients.values()]
        norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
        scale = (self.max_norm / norm).clamp(max=1)
        if (scale < 1).any():
            for gradient in gradients.values():
                gradient *= scale.reshape(-1, *[1] * (gradient.ndim - 1))
        for group, rate in zip(self.groups, learning_rates, strict=True):
            if rate is not None:
                group.step(gradients, rate, self.weight_decay)
        for parameter in self.parameters:
            parameter.grad = None


class _Group:
    """Replicas that have taken the same number of steps."""

    def __init__(
        self, rows: slice, parameters: Sequence[nn.Parameter], steps: torch.Tensor
    ) -> None:
        self.rows, self.steps = rows, steps
        self.parameters = [parameter.detach()[rows] for parameter in parameters]
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self, gradients: Mapping[int, torch.Tensor], rate: float, weight_decay: float) -> None:
        self.steps += 1
        torch._fused_adamw_(
            [self.parameters[number] for number in gradients],
            [gradient[self.rows] for gradient in gradients.values()],
            [self.means[number] for number in gradients],
            [self.squares[number] for number in gradients],
            [],
            [self.steps] * len(gradients),
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
