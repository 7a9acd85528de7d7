"""Building blocks of exported heads, for features (utterance, dim)."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn


def tensor(values: npt.ArrayLike) -> torch.Tensor:
    """A constant of the graph, in float32."""
    return torch.from_numpy(np.asarray(values, np.float32))


class Affine(nn.Module):
    """x (utterance, dim) @ weights (dim, output) + bias."""

    weights: torch.Tensor
    bias: torch.Tensor

    def __init__(self, weights: npt.NDArray, bias: npt.ArrayLike) -> None:
        super().__init__()
        self.register_buffer("weights", tensor(weights))
        self.register_buffer("bias", tensor(bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weights + self.bias


class Rescale(nn.Module):
    """x · scale + shift, element-wise."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, scale: npt.ArrayLike, shift: npt.ArrayLike = 0.0) -> None:
        super().__init__()
        self.register_buffer("scale", tensor(scale))
        self.register_buffer("shift", tensor(shift))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.shift


class Standardise(nn.Module):
    """(x − mean) / scale, element-wise."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: npt.ArrayLike, scale: npt.ArrayLike) -> None:
        super().__init__()
        self.register_buffer("mean", tensor(mean))
        self.register_buffer("scale", tensor(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class SideBySide(nn.Module):
    """Concatenate the outputs of several modules along the last axis."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([part(x) for part in self.parts], 1)


class Log(nn.Module):
    """Logarithm of probabilities; -inf where the probability is 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.log()
