"""From padded waveforms to the features of an encoder, with operators that ONNX supports.

The results equal those of `extract.audio.normalise` and `extract.encoders.first_layer`, which
compute statistics of one utterance at a time in float64. Here a mask over the batch is used, in
float32.
"""

from typing import Any

import torch
from torch import nn

from extract.audio import NORMALISATION_EPSILON
from extract.encoders.framing import Sizes, frames


class Frontend(nn.Module):
    """Normalisation and convolutions, with statistics over each waveform's own samples."""

    def __init__(self, extractor: Any, normalise: bool) -> None:
        """Wrap the feature extractor of a Wav2Vec2-like transformers model.

        Args:
            extractor: its convolutional layers.
            normalise: whether waveforms are to have zero mean and unit variance.
        """
        super().__init__()
        self.layers = nn.ModuleList(extractor.conv_layers)
        convolutions = [layer.conv for layer in extractor.conv_layers]
        self.sizes: Sizes = [(conv.kernel_size[0], conv.stride[0]) for conv in convolutions]
        self.normalise = normalise

    def forward(
        self, signal: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (utterance, frame, channel), and which frames (utterance, frame) are valid.

        Args:
            signal: (utterance, sample) as recorded, at 16 kHz, padded with zeros.
            lengths: (utterance,) samples of each.
        """
        samples = signal
        if self.normalise:
            own = _valid(signal.shape[1], lengths)
            mean, variance = moments(signal, own)
            samples = (signal - mean) * own / (variance + NORMALISATION_EPSILON).sqrt()
        first: Any
        first, *others = self.layers
        hidden = samples[:, None]
        if isinstance(norm := getattr(first, "layer_norm", None), nn.GroupNorm):
            hidden = first.conv(hidden)  # the norm of a channel is over the utterance's own frames
            own = _valid(hidden.shape[2], frames(lengths, self.sizes[:1]))[:, None]
            mean, variance = moments(hidden, own)
            scale = norm.weight[:, None] / (variance + norm.eps).sqrt()
            hidden = first.activation((hidden - mean) * scale + norm.bias[:, None])
        else:
            hidden = first(hidden)
        for layer in others:
            hidden = layer(hidden)
        features = hidden.transpose(1, 2)
        return features, _valid(features.shape[1], frames(lengths, self.sizes)) > 0


def moments(values: torch.Tensor, own: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance (…, 1) of `values` (…, time) where `own` is 1, not 0."""
    count = own.sum(dim=-1, keepdim=True)
    mean = (values * own).sum(dim=-1, keepdim=True) / count
    return mean, ((values - mean) * own).square().sum(dim=-1, keepdim=True) / count


def _valid(longest: int, lengths: torch.Tensor) -> torch.Tensor:
    """(utterance, time) 1 within an utterance's length and 0 after it."""
    return (torch.arange(longest) < lengths[:, None]).float()
