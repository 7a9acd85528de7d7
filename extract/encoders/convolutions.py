"""The convolutional feature extractor as matrix products over (frame, channel) rows.

With channels last, the samples under a kernel are adjacent in memory. A convolution is therefore a
product of strided views with its weights, and needs no copies.

In *group* extractors, a GroupNorm over time follows the first convolution. In transformers, its
statistics include frames of padding. Here they are computed from the waveform: a convolution is
linear, so its output over the utterance's own frames has mean w·m and variance wᵀCw, where m and C
are the mean and covariance of the windows of ten samples under its kernel w. Scale and shift are
therefore known before anything is convolved.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional

Convolve = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # like Convolutions.forward
Count = TypeVar("Count", int, torch.Tensor)
Sizes = Sequence[tuple[int, int]]  # (kernel, stride) of each convolution

BLOCK_FRAMES = 50  # one second; the output of the first layer of wav2vec2-base has 6.5 MB


def frames(samples: Count, convolutions: Sizes) -> Count:
    """Number of frames that the convolutions make of a number of samples."""
    for kernel, stride in convolutions:
        samples = (samples - kernel) // stride + 1
    return samples


def samples_under(count: int, convolutions: Sizes) -> int:
    """Number of samples under `count` consecutive frames."""
    for kernel, stride in reversed(convolutions):
        count = (count - 1) * stride + kernel
    return count


class Convolution(nn.Module):
    """One layer: convolution, LayerNorm over channels if the model has one, activation."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        conv: nn.Conv1d = layer.conv
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        taps = conv.weight.detach().permute(2, 1, 0)  # (tap, channel in, channel out)
        whole = self.kernel - self.kernel % self.stride
        self.first_taps = [*range(0, whole, self.stride), *range(whole, self.kernel)]
        ends = [*self.first_taps[1:], self.kernel]
        self.weights = nn.ParameterList(
            nn.Parameter(taps[first:end].flatten(0, 1).contiguous(), requires_grad=False)
            for first, end in zip(self.first_taps, ends, strict=True)
        )
        self.bias = conv.bias
        norm = getattr(layer, "layer_norm", None)
        self.norm = norm if isinstance(norm, nn.LayerNorm) else None
        self.activation = layer.activation

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (utterance, frame, channel) to (utterance, fewer frames, channel)."""
        utterances, length, channels = hidden.shape
        count = (length - self.kernel) // self.stride + 1
        total = None
        for first, weight in zip(self.first_taps, self.weights, strict=True):
            if weight.shape[0] == channels:
                rows = hidden[:, first :: self.stride][:, :count]
            else:  # as many taps as the stride: rows of adjacent frames
                rows = hidden[:, first : first + count * self.stride]
            rows = rows.reshape(-1, weight.shape[0])
            total = rows @ weight if total is None else total.addmm_(rows, weight)
        assert total is not None
        if self.bias is not None:
            total = total + self.bias
        if self.norm is not None:
            total = self.norm(total)
        return self.activation(total).view(utterances, count, -1)


class Convolutions(nn.Module):
    """All convolutions, from samples to features."""

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        first, *others = extractor.conv_layers
        self.sizes = [
            (layer.conv.kernel_size[0], layer.conv.stride[0]) for layer in (first, *others)
        ]
        self.kernels = nn.Parameter(first.conv.weight.detach()[:, 0].T, requires_grad=False)
        self.bias = first.conv.bias
        self.norm = first.layer_norm
        self.activation = first.activation
        self.others = nn.Sequential(*map(Convolution, others))

    def forward(self, samples: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        """Map samples (utterance, sample) to features (utterance, frame, channel).

        `kernels` is the result of `first_layer` for the utterances. The first layer is computed in
        its precision, the other layers in the precision of the weights.
        """
        windows = functional.pad(samples.unfold(1, *self.sizes[0]), (0, 1), value=1.0)
        hidden = windows @ kernels
        if isinstance(self.norm, nn.LayerNorm):
            hidden = self.norm(hidden)
        precision = next(self.others.parameters()).dtype
        return self.others(self.activation(hidden).to(precision))

    def in_blocks(
        self, samples: torch.Tensor, kernels: torch.Tensor, convolve: Convolve | None = None
    ) -> torch.Tensor:
        """Compute features in blocks of a second, by `convolve` or `forward`.

        The outputs of a layer then fit into the processor's cache, and ten minutes need as much
        memory as one second.
        """
        field = samples_under(1, self.sizes)
        hop = samples_under(2, self.sizes) - field
        count = frames(samples.shape[1], self.sizes)
        pieces = []
        for first in range(0, count, BLOCK_FRAMES):
            last = min(first + BLOCK_FRAMES, count) - 1
            piece = samples[:, first * hop : last * hop + field]
            pieces.append((convolve or self)(piece, kernels))
        return torch.cat(pieces, dim=1)

    def first_layer(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Compute the kernels of the first layer, including the GroupNorm of each utterance.

        Args:
            samples: (utterance, sample) float32, with any padding.
            lengths: (utterance,) number of samples.

        Returns:
            (utterance, tap, channel); the last tap is the bias.
        """
        norm, kernels = self.norm, self.kernels.to(samples.device)
        if not isinstance(norm, nn.GroupNorm):
            bias = torch.zeros_like(kernels[0]) if self.bias is None else self.bias.to(kernels)
            return torch.vstack([kernels, bias]).expand(len(samples), -1, -1)
        if norm.num_groups != norm.num_channels:
            raise ValueError(f"expected one channel a group, got {norm}")
        mean, covariance = self._of_windows(samples, lengths)
        kernels = kernels.double()
        weight, bias = norm.weight.to(kernels), norm.bias.to(kernels)
        variance = torch.einsum("kc,ukl,lc->uc", kernels, covariance, kernels)
        scale = weight * (variance.clamp(min=0) + norm.eps).rsqrt()
        shift = bias - (mean @ kernels) * scale  # the bias of the convolution cancels
        return torch.cat([kernels * scale[:, None], shift[:, None]], dim=1).float()

    def _of_windows(
        self, samples: torch.Tensor, lengths: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (utterance, tap) and covariance (utterance, tap, tap) of the windows of each
        utterance's own frames, in float64, since the variance may be a small difference.
        """
        windows = samples.unfold(1, *self.sizes[0])  # (utterance, frame, tap), a view
        means, covariances = [], []
        for row, length in zip(windows, lengths, strict=True):
            own = row[: frames(length, self.sizes[:1])].double()
            mean = own.mean(0)
            centred = own - mean
            means.append(mean)
            covariances.append(centred.T @ centred / len(own))
        return torch.stack(means), torch.stack(covariances)
