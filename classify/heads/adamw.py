"""AdamW (Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization) for stacked networks."""

from collections.abc import Sequence

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
        slots = zip(self.parameters, self.means, self.squares, strict=True)
        held = [(p, p.grad, *moments) for p, *moments in slots if p.grad is not None]
        gradients = [gradient for _, gradient, *_ in held]
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
        scale = (self.max_norm / torch.linalg.vector_norm(norms, dim=0)).clamp(max=1)
        if (scale < 1).any():
            for gradient in gradients:
                gradient *= scale.reshape(-1, *[1] * (gradient.ndim - 1))
        for rows, steps, rate in zip(self.groups, self.steps, learning_rates, strict=True):
            if rate is None:
                continue
            steps += 1
            parts = [[tensor[rows] for tensor in column] for column in zip(*held, strict=True)]
            torch._fused_adamw_(
                parts[0],
                parts[1],
                parts[2],
                parts[3],
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
        for parameter in self.parameters:
            parameter.grad = None
