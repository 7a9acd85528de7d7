"""The encoder of Whisper (Radford et al. 2022).

It takes the log-mel spectrogram of 30 s, to which a recording is padded with zeros, and its
attention has no mask: frames of the recording depend on the padding after it, which is always the
same. Pooling leaves the frames of padding out. A longer recording is cut into windows of 30 s, each
as a recording of its own; its frames are those of all windows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from data.recording import SAMPLING_RATE
from extract.encoders.architecture import Architecture
from extract.encoders.convolutions import FrontEnd

EXTRACTOR = transformers.WhisperFeatureExtractor
DECADES = 8.0  # of power below the loudest band of a window that are kept
FLOOR = 1e-10  # of power


class Whisper(Architecture):
    """Has a log-mel front end, and a window of fixed length."""

    model_types = ("whisper",)
    examples = ("openai/whisper-base", "openai/whisper-large-v3")
    front = "log-mel, windows of 30 s"
    normalisation = "loudest band of a window"
    exactness = "pooling; attention sees 30 s, as in transformers"
    extractor = EXTRACTOR.__name__
    traceable = False
    tunable = False

    def from_pretrained(self, folder: Path, **options: Any) -> Any:
        """Load the encoder without the decoder."""
        names = {r"^(model\.)?encoder\.": ""}
        return WhisperEncoder.from_pretrained(folder, key_mapping=names, **options)

    def normalises(self, extractor: Any) -> bool:
        """Whisper takes waveforms as they are."""
        return False

    def described(self, config: Any) -> str:
        """Bands and windows."""
        seconds = 2 * config.max_source_positions * EXTRACTOR().hop_length / SAMPLING_RATE
        return f"log-mel of {config.num_mel_bins} bands, windows of {seconds:g} s"

    def sizes(self, config: Any) -> tuple[tuple[int, int], ...]:
        """A frame is of the recording if its first sample is: two steps of the spectrogram."""
        return ((1, EXTRACTOR().hop_length), (1, 2))

    def front_end(self, model: Any) -> FrontEnd:
        """Log-mel spectrograms of windows."""
        return LogMel(model.config)

    def projection(self, model: Any) -> Any:
        """Two convolutions and positions."""
        return Projection(model)

    def transformer(self, model: Any) -> Any:
        """The layers, without a mask."""
        return Layers(model)

    def layers(self, model: Any) -> nn.ModuleList:
        """Layers of the encoder."""
        layers: nn.ModuleList = model.layers
        return layers

    def by_utterance(self, hidden: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Join the windows (utterance · window, frame, dim) of each utterance."""
        return hidden.reshape(len(valid), -1, hidden.shape[2])[:, : valid.shape[1]]


class LogMel(FrontEnd):
    """The spectrogram of `transformers.WhisperFeatureExtractor`, of each window."""

    filters: torch.Tensor
    window: torch.Tensor

    def __init__(self, config: Any) -> None:
        super().__init__()
        extractor = EXTRACTOR(feature_size=config.num_mel_bins)
        self.points, self.hop = extractor.n_fft, extractor.hop_length
        self.samples = 2 * config.max_source_positions * self.hop
        filters = torch.from_numpy(extractor.mel_filters.T).float().contiguous()
        self.register_buffer("filters", filters)
        self.register_buffer("window", torch.hann_window(self.points))

    def features(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Features (utterance · window, band, frame); see `FrontEnd.features`."""
        padding = -samples.shape[1] % self.samples
        windows = functional.pad(samples, (0, padding)).reshape(-1, self.samples)
        spectra = torch.stft(
            windows, self.points, self.hop, window=self.window, return_complex=True
        )
        power = (spectra[..., :-1].abs() ** 2).contiguous()
        logarithms = (self.filters @ power).clamp(min=FLOOR).log10()
        loudest = logarithms.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(logarithms, loudest - DECADES) + 4.0) / 4.0


class Projection(nn.Module):
    """Convolutions over the spectrogram, with positions added."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.first, self.second = encoder.conv1, encoder.conv2
        self.positions = encoder.embed_positions

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (window, band, frame) to (window, half as many frames, dim)."""
        hidden = functional.gelu(self.second(functional.gelu(self.first(features))))
        return hidden.transpose(1, 2) + self.positions.weight


class Layers(nn.Module):
    """The transformer layers."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.config, self.layers = encoder.config, encoder.layers

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """Run the layers; the mask is not used."""
        for layer in self.layers:
            hidden = layer(hidden, None)
        return hidden


ARCHITECTURE = Whisper()
