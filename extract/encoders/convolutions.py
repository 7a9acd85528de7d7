"""Front ends, of which most are a convolutional feature extractor: here as matrix products over
(frame, channel) rows.

With channels last, the samples under a kernel are adjacent in memory. A convolution is therefore a
product of strided views with its weights, and needs no copies. The GroupNorm after the first
convolution is folded into its kernels (`extract.encoders.first_layer`).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from extract.encoders.first_layer import FirstLayer
from extract.encoders.framing import blocks, frames


class FrontEnd(nn.Module):
    """Computes features from samples, so that an utterance's do not depend on its batch."""

    def features(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Compute what the projection of the architecture takes.

        Args:
            samples: (utterance, sample) float32, padded with zeros.
            lengths: (utterance,) number of samples.

        Returns:
            (utterance, feature, channel), unless the architecture defines another layout; features
            of padding have any values.
        """
        raise NotImplementedError

    def narrow(self, dtype: torch.dtype) -> None:
        """Convert what may be computed in `dtype`, a lower precision than float32."""


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


class Convolutions(FrontEnd):
    """All convolutions, from samples to features."""

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        first, *others = extractor.conv_layers
        self.sizes = [
            (layer.conv.kernel_size[0], layer.conv.stride[0]) for layer in (first, *others)
        ]
        self.kernels = nn.Parameter(first.conv.weight.detach()[:, 0].T, requires_grad=False)
        self.norm = norm = first.layer_norm
        self.grouped = isinstance(norm, nn.GroupNorm)
        if self.grouped and norm.num_groups != norm.num_channels:
            raise ValueError(f"expected one channel a group, got {norm}")
        bias = norm.bias if self.grouped else first.conv.bias
        self.bias = torch.zeros_like(self.kernels[0]) if bias is None else bias
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

    def features(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """See `FrontEnd.features`. On a CPU, each utterance is computed in blocks, which computes
        no padding and needs little memory.
        """
        exact = samples.cpu() if samples.device.type == "mps" else samples  # it lacks float64
        kernels = self.first_layer(exact, lengths).to(samples.device)
        if samples.device.type != "cpu":
            return self(samples, kernels)
        rows = [
            self.in_blocks(row[None, :length], own[None])[0]
            for row, length, own in zip(samples, lengths, kernels, strict=True)
        ]
        return pad_sequence(rows, batch_first=True)

    def narrow(self, dtype: torch.dtype) -> None:
        """Convert all but the first convolution."""
        self.others.to(dtype)

    def in_blocks(self, samples: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        """Compute features in blocks of a second (`extract.encoders.framing.blocks`)."""
        length = samples.shape[1]
        pieces = [self(samples[:, block], kernels) for block in blocks(length, self.sizes)]
        return torch.cat(pieces, dim=1)

    def first_layer(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Compute the kernels of the first layer, including the GroupNorm of each utterance.

        Args:
            samples: (utterance, sample) float32, with any padding.
            lengths: (utterance,) number of samples.

        Returns:
            (utterance, tap, channel); the last tap is the bias.
        """
        layer = self.first(samples.device)
        if not self.grouped:
            kernels = torch.vstack([layer.kernels, layer.bias]).float()
            return kernels.expand(len(samples), -1, -1)
        found = []
        windows = samples.unfold(1, *self.sizes[0])  # (utterance, frame, tap), a view
        for row, length in zip(windows, lengths, strict=True):
            own = row[: frames(length, self.sizes[:1])].double()
            scale, shift = layer.scale_and_shift(own)
            found.append(torch.vstack([layer.kernels * scale, shift]))
        return torch.stack(found).float()

    def first(self, device: torch.device) -> FirstLayer:
        """The first layer, as tensors on a device."""
        weight, eps = (self.norm.weight, self.norm.eps) if self.grouped else (self.bias[:0], 0.0)
        tensors = (one.detach().to(device).double() for one in (self.kernels, self.bias, weight))
        kernels, bias, weight = tensors
        return FirstLayer(kernels, bias, weight, eps)


class NativeConvolutions(nn.Module):
    """The same as `Convolutions`, by the convolutions of torch.

    In OpenVINO, these are twice as fast as matrix products in bfloat16, and slower in float32.
    """

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        first, *others = extractor.conv_layers
        self.kernels, self.stride = first.conv.weight, first.conv.stride
        norm = first.layer_norm
        self.norm = norm if isinstance(norm, nn.LayerNorm) else None
        self.activation = first.activation
        self.others = nn.Sequential(*others)

    def forward(
        self, samples: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        """Map samples (utterance, sample) to features (utterance, frame, channel).

        `scale` and `shift` (utterance, channel, 1): see `FirstLayer.scale_and_shift`.
        """
        hidden = functional.conv1d(samples[:, None], self.kernels, stride=self.stride)
        hidden = hidden * scale + shift
        if self.norm is not None:
            hidden = self.norm(hidden.transpose(1, 2)).transpose(1, 2)
        return self.others(self.activation(hidden)).transpose(1, 2)
