"""Wav2Vec2-BERT 2.0 (Seamless Communication et al. 2023)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from extract.encoders.architecture import Architecture, with_modules
from extract.encoders.convolutions import FrontEnd
from extract.encoders.positions import positions

EXTRACTOR = transformers.SeamlessM4TFeatureExtractor
STACKED = 2  # frames of the spectrogram in a feature
FRAME, HOP, POINTS = 400, 160, 512  # samples
PREEMPHASIS = 0.97
EPSILON = 1e-7  # added to variances
FLOOR = 1.192092955078125e-07  # of power, the epsilon of float32


class Wav2Vec2Bert(Architecture):
    """Has a filter-bank front end and Conformer layers with causal convolutions."""

    model_types = ("wav2vec2-bert",)
    examples = ("facebook/w2v-bert-2.0",)
    front = "filter bank, then pairs of frames"
    normalisation = "each band of an utterance"
    exactness = "norm of bands, layer convolutions, attention, pooling"
    extractor = EXTRACTOR.__name__
    traceable = False
    tunable = False

    def normalises(self, extractor: Any) -> bool:
        """The front end normalises bands instead of waveforms."""
        return False

    def described(self, config: Any) -> str:
        """Bands and their normalisation."""
        bands = config.feature_projection_input_dim // STACKED
        return f"filter bank of {bands} bands, each with zero mean and unit variance"

    def sizes(self, config: Any) -> tuple[tuple[int, int], ...]:
        """Frames of the spectrogram, joined in pairs."""
        return ((FRAME, HOP), (STACKED, STACKED))

    def front_end(self, model: Any) -> FrontEnd:
        """Pairs of normalised frames of the filter bank."""
        return FilterBank(model.config)

    def transformer(self, model: Any) -> Any:
        """The encoder, with positions that are computed for each batch."""
        return with_modules(model.encoder, positions(model.config))


class FilterBank(FrontEnd):
    """The features of `transformers.SeamlessM4TFeatureExtractor`, which are those of Kaldi.

    They are computed on the CPU and rounded in the same places: the mean of a band is some hundred
    times its deviation in steady noise, so that the mean in another order would be another feature.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        extractor = EXTRACTOR(num_mel_bins=config.feature_projection_input_dim // STACKED)
        self.filters = torch.from_numpy(extractor.mel_filters.T)  # (band, frequency) float64
        self.window = torch.from_numpy(extractor.window)

    def features(self, samples: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """See `FrontEnd.features`."""
        waveforms = zip(samples.cpu(), lengths, strict=True)
        rows = [self._of(waveform[:length]) for waveform, length in waveforms]
        return pad_sequence(rows, batch_first=True).to(samples.device)

    def _of(self, waveform: torch.Tensor) -> torch.Tensor:
        """Features (feature, stacked band) of (sample,)."""
        frames = (waveform.double() * 2**15).unfold(0, FRAME, HOP)
        frames = frames - frames.mean(1, keepdim=True)
        before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
        shaped = functional.pad((frames - PREEMPHASIS * before) * self.window, (0, POINTS - FRAME))
        spectra = torch.fft.rfft(shaped).to(torch.complex64).to(torch.complex128)
        power = self.filters @ (spectra.abs() ** 2).T
        bands = power.clamp(min=FLOOR).log().float().numpy().T  # (frame, band)
        bands = (bands - bands.mean(0)) / np.sqrt(bands.var(0, ddof=1) + EPSILON)
        return torch.from_numpy(bands[: len(bands) // STACKED * STACKED]).reshape(
            -1, STACKED * bands.shape[1]
        )


ARCHITECTURE = Wav2Vec2Bert()
