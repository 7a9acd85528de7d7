"""AdamW (Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, algorithm 2)."""

import math

import torch
from torch import nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """The same steps as ``torch.optim.AdamW`` after clipping the gradient's norm.

    That one imports torch's compiler before its first step, which takes longer than to train a
    head. Here all parameters are views of one vector, and so are their gradients: a small network
    spends its time on calls, not on numbers.
    """

    def __init__(self, network: nn.Module, weight_decay: float, max_norm: float = math.inf) -> None:
        parameters = list(network.parameters())
        self.vector = torch.cat([parameter.detach().flatten() for parameter in parameters])
        self.gradient = torch.zeros_like(self.vector)
        self.mean, self.square = torch.zeros_like(self.vector), torch.zeros_like(self.vector)
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.steps = 0
        start = 0
        for parameter in parameters:
            part = slice(start, start := start + parameter.numel())
            parameter.data = self.vector[part].view_as(parameter)
            parameter.grad = self.gradient[part].view_as(parameter)

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move along the gradient that has been gathered, and forget it."""
        self.steps += 1
        first, second = (1 - beta**self.steps for beta in BETAS)
        norm = float(torch.linalg.vector_norm(self.gradient))
        if norm > self.max_norm:
            self.gradient.mul_(self.max_norm / norm)
        self.mean.lerp_(self.gradient, 1 - BETAS[0])
        self.square.mul_(BETAS[1]).addcmul_(self.gradient, self.gradient, value=1 - BETAS[1])
        deviation = self.square.sqrt().div_(math.sqrt(second)).add_(EPSILON)
        self.vector.mul_(1 - learning_rate * self.weight_decay)
        self.vector.addcdiv_(self.mean, deviation, value=-learning_rate / first)
        self.gradient.zero_()
