"""AdamW (Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization) for stacked networks."""

from collections.abc import Sequence

import torch
from torch import nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """The steps of ``torch.optim.AdamW`` after clipping the norm of each replica's gradient.

    It calls the operation that ``torch.optim.AdamW(fused=True)`` ends in; that class imports torch's
    compiler before its first step, which takes longer than to train a head. Replicas may have taken
    different numbers of steps.

    Args:
        network: every parameter has the replica as its first axis.
        groups: consecutive replicas that are stepped together.
    """

    def __init__(
        self, network: nn.Module, groups: Sequence[slice], weight_decay: float, max_norm: float
    ) -> None:
        self.parameters = list(network.parameters())
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.groups = groups
        device = self.parameters[0].device
        self.steps = [torch.zeros((), device=device) for _ in groups]
        self.weight_decay = weight_decay
        self.max_norm = max_norm

    @torch.no_grad()
    def step(self, learning_rates: Sequence[float | None]) -> None:
        """Move along the gradients, and forget them.

        Args:
            learning_rates: one a group; None leaves the group as it is.
        """
        used = [p for p in self.parameters if p.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(p.grad.flatten(1), dim=1) for p in used])
        scale = (self.max_norm / torch.linalg.vector_norm(norms, dim=0)).clamp(max=1)
        clipped = bool((scale < 1).any())
        for parameter in used if clipped else ():
            parameter.grad *= scale.reshape(-1, *[1] * (parameter.ndim - 1))
        for rows, steps, rate in zip(self.groups, self.steps, learning_rates, strict=True):
            if rate is None:
                continue
            steps += 1
            held = [
                (p[rows], p.grad[rows], mean[rows], square[rows])
                for p, mean, square in zip(self.parameters, self.means, self.squares, strict=True)
                if p.grad is not None
            ]
            torch._fused_adamw_(
                *(list(column) for column in zip(*held, strict=True)),
                [],
                [steps] * len(held),
                lr=rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=self.weight_decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )
        for parameter in used:
            parameter.grad = None
