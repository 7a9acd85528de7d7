"""Layers of stacked networks: every parameter has the replica as its first axis.

All replicas are computed by one batched matrix product. Initial values are those of torch's layers.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from classify.heads.neural.noise import Noise


class Dropout(nn.Module):
    """Zeroes numbers of x (replica, utterance, …, dim); all moments of an utterance the same ones.

    The same mask over time is that of Gal and Ghahramani 2016, A Theoretically Grounded Application
    of Dropout in Recurrent Neural Networks.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        if noise is None or not self.share:
            return x
        mask = noise.dropout(self.share, x.shape[1], x.shape[-1])
        return x * mask.reshape(len(mask), x.shape[1], *[1] * (x.ndim - 3), x.shape[-1])


class Linear(nn.Module):
    """x (replica, …, inputs) → (replica, …, outputs)."""

    def __init__(self, replicas: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(replicas, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(replicas, 1, outputs)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(len(x), -1, x.shape[-1])
        if self.bias is None:
            found = torch.bmm(flat, self.weight)
        else:
            found = torch.baddbmm(self.bias, flat, self.weight)
        return found.reshape(*x.shape[:-1], -1)


class LayerNorm(nn.Module):
    """Standardises the last axis of x (replica, utterance, moment, dim)."""

    def __init__(self, replicas: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.gain = nn.Parameter(torch.ones(replicas, 1, 1, dim))
        self.shift = nn.Parameter(torch.zeros(replicas, 1, 1, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(x, (self.dim,)) * self.gain + self.shift


class Mix(nn.Module):
    """A softmax-weighted sum over hidden layers, (replica, utterance, layer, moment, dim).

    Pepino et al. 2021 (arXiv 2104.03502) and SUPERB (arXiv 2105.01051); it begins as the mean.
    """

    def __init__(self, replicas: int, layers: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(replicas, layers))

    @property
    def weights(self) -> torch.Tensor:
        """(replica, layer), summing to 1."""
        return self.logits.softmax(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        replicas, utterances, layers, *rest = x.shape
        if layers == 1:
            return x[:, :, 0]
        weights = self.weights[:, None, None].expand(-1, utterances, -1, -1)
        return (weights @ x.reshape(replicas, utterances, layers, -1)).reshape(
            replicas, utterances, *rest
        )


class BiGRU(nn.Module):
    """Gated recurrent units in both directions (Cho et al. 2014, arXiv 1406.1078).

    x (replica, utterance, moment, inputs) and mask (replica, utterance, moment), valid moments
    first → (replica, utterance, moment, 2 · width); the equations are those of ``torch.nn.GRU``.
    The directions are stacked like replicas.
    """

    def __init__(self, replicas: int, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.bound = 1 / math.sqrt(width)
        self.inputs = nn.Parameter(torch.empty(replicas, 2, inputs, 3 * width))
        self.inputs_bias = nn.Parameter(torch.empty(replicas, 2, 1, 3 * width))
        self.states = nn.Parameter(torch.empty(replicas, 2, width, 3 * width))
        self.states_bias = nn.Parameter(torch.empty(replicas, 2, 1, 3 * width))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        replicas, utterances, moments, _ = x.shape
        back = reversal(mask)[..., None]
        both = torch.stack([x, x.gather(2, back.expand_as(x))], 1)
        gates = torch.baddbmm(
            self.inputs_bias.flatten(0, 1),
            both.flatten(0, 1).flatten(1, 2),
            self.inputs.flatten(0, 1),
        ).reshape(2 * replicas, utterances, moments, -1)
        states, bias = self.states.flatten(0, 1), self.states_bias.flatten(0, 1)
        state = gates.new_zeros(2 * replicas, utterances, self.width)
        found = []
        for gate in gates.unbind(2):
            own = torch.baddbmm(bias, state, states)
            reset, update = (
                (gate[..., : 2 * self.width] + own[..., : 2 * self.width]).sigmoid().chunk(2, -1)
            )
            new = (gate[..., 2 * self.width :] + reset * own[..., 2 * self.width :]).tanh()
            state = new.lerp(state, update)
            found.append(state)
        ahead, behind = torch.stack(found, 2).unflatten(0, (replicas, 2)).unbind(1)
        return torch.cat([ahead, behind.gather(2, back.expand_as(behind))], -1)


def reversal(mask: torch.Tensor) -> torch.Tensor:
    """(…, moment) where each valid moment is found in reversed order; padding stays."""
    moments = torch.arange(mask.shape[-1], device=mask.device).expand(mask.shape)
    turned = mask.sum(-1, keepdim=True) - 1 - moments
    return torch.where(mask, turned, moments)


def initialise(network: nn.Module, seeds: Sequence[int]) -> None:
    """Draw each replica's initial values, uniform within ± 1 / √inputs, from its own seed."""
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    with torch.no_grad():
        for layer in network.modules():
            bound = getattr(layer, "bound", None)
            if not isinstance(bound, float):
                continue
            for parameter in layer.parameters(recurse=False):
                for replica, stream in zip(parameter, streams, strict=True):
                    replica.uniform_(-bound, bound, generator=stream)


def masked_mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean of x (replica, utterance, moment, dim) over the valid moments."""
    weights = mask.to(x.dtype)
    return (x * weights[..., None]).sum(2) / weights.sum(2, keepdim=True).clamp(min=1)
