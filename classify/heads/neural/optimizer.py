"""AdamW (Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization) for stacked networks."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.adamw import adamw  # the class AdamW imports torch's compiler, which takes 1 s

MAX_GRADIENT_NORM = 1.0  # of a replica


class AdamW:
    """Take steps of ``torch.optim.AdamW`` after clipping the gradient norm of each replica.

    Args:
        network: every parameter has the replica as its first axis.
        groups: consecutive replicas that have taken the same number of steps.
        weight_decay: of AdamW.
    """

    def __init__(self, network: nn.Module, groups: Sequence[slice], weight_decay: float) -> None:
        self.parameters, self.weight_decay = list(network.parameters()), weight_decay
        self.groups = []  # rows; their parameters, first and second moments, and steps
        for rows in groups:
            own = [parameter.detach()[rows] for parameter in self.parameters]
            moments = ([torch.zeros_like(parameter) for parameter in own] for _ in range(2))
            steps = [torch.zeros((), device=parameter.device) for parameter in own]
            self.groups.append((rows, (own, *moments, steps)))

    @torch.no_grad()
    def step(self, learning_rates: Sequence[float | None]) -> None:
        """Update the parameters and clear the gradients.

        Args:
            learning_rates: one for each group; None leaves the group as it is.
        """
        used = [number for number, p in enumerate(self.parameters) if p.grad is not None]
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
        norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
        scale = (MAX_GRADIENT_NORM / norm).clamp(max=1)
        if (scale < 1).any():
            for gradient in gradients:
                gradient *= scale.reshape(-1, *[1] * (gradient.ndim - 1))
        for (rows, state), rate in zip(self.groups, learning_rates, strict=True):
            if rate is None:
                continue
            own, means, squares, steps = ([values[number] for number in used] for values in state)
            adamw(
                own,
                [gradient[rows] for gradient in gradients],
                means,
                squares,
                [],
                steps,
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
