"""The first convolution of a front end, with the GroupNorm over time that may follow it.

In transformers, the statistics of this norm include frames of padding. Here they are computed from
the waveform: a convolution is linear, so its output over the utterance's own frames has mean w·m
and variance wᵀCw, where m and C are the mean and covariance of the windows of samples under its
kernel w. Scale and shift are therefore known before anything is convolved. This module does not
import torch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Array = Any  # of NumPy or of torch


@dataclass(frozen=True)
class FirstLayer:
    """Weights of the first convolution and of its GroupNorm.

    Attributes:
        kernels: (tap, channel).
        bias: (channel,) bias of the GroupNorm if there is one, else of the convolution.
        weight: (channel,) of the GroupNorm; empty if there is none.
        eps: of the GroupNorm.
    """

    kernels: Floats
    bias: Floats
    weight: Floats
    eps: float

    def scale_and_shift(self, samples: Floats, stride: int) -> tuple[Floats, Floats]:
        """Factor and summand (channel,) of each channel after the convolution of (sample,)."""
        if not len(self.weight):
            return np.ones_like(self.bias), self.bias
        windows = np.lib.stride_tricks.sliding_window_view(samples, len(self.kernels))[::stride]
        scale, shift = scale_and_shift(
            windows.astype(np.float64),
            self.kernels.astype(np.float64),
            self.weight.astype(np.float64),
            self.bias.astype(np.float64),
            self.eps,
        )
        return scale.astype(np.float32), shift.astype(np.float32)


def scale_and_shift(
    windows: Array, kernels: Array, weight: Array, bias: Array, eps: float
) -> tuple[Array, Array]:
    """Fold the GroupNorm of an utterance into a factor and a summand (channel,) of each channel.

    All arrays are of NumPy or of torch, in float64, since the variance may be a small difference.

    Args:
        windows: (frame, tap) samples under the kernels, of the utterance's own frames.
        kernels: (tap, channel).
        weight: (channel,) of the norm.
        bias: (channel,) of the norm; the bias of the convolution has no effect.
        eps: of the norm.
    """
    mean = windows.mean(0)
    centred = windows - mean
    covariance = centred.T @ centred / len(windows)
    variance = ((covariance @ kernels) * kernels).sum(0)
    scale = weight / (variance.clip(0) + eps) ** 0.5
    return scale, bias - (mean @ kernels) * scale
