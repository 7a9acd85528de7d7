"""The first convolution of a front end, with the GroupNorm over time that may follow it.

In transformers, the statistics of this norm include frames of padding. Here they are computed from
the waveform: a convolution is linear, so its output over the utterance's own frames has mean w·m
and variance wᵀCw, where m and C are the mean and covariance of the windows of samples under its
kernel w. Scale and shift are therefore known before anything is convolved. This module does not
import torch.
"""

from dataclasses import dataclass
from typing import Any

Array = Any  # of NumPy or of torch


@dataclass(frozen=True)
class FirstLayer:
    """Weights of the first convolution and of its GroupNorm, in float64.

    Attributes:
        kernels: (tap, channel).
        bias: (channel,) bias of the GroupNorm if there is one, else of the convolution.
        weight: (channel,) of the GroupNorm; empty if there is none.
        eps: of the GroupNorm.
    """

    kernels: Array
    bias: Array
    weight: Array
    eps: float

    def scale_and_shift(self, windows: Array) -> tuple[Array, Array]:
        """Fold the GroupNorm of an utterance into a factor and a summand of each (channel,).

        The bias of the convolution has no effect.

        Args:
            windows: (frame, tap) samples under the kernels, of the utterance's own frames, in
                float64, since the variance may be a small difference.
        """
        mean = windows.mean(0)
        centred = windows - mean
        covariance = centred.T @ centred / len(windows)
        variance = ((covariance @ self.kernels) * self.kernels).sum(0)
        scale = self.weight / (variance.clip(0) + self.eps) ** 0.5
        return scale, self.bias - (mean @ self.kernels) * scale
