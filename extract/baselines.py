"""Features without a model of speech, as baselines for probes: one vector per utterance.

They are computed from 16 kHz mono samples before normalisation, so they contain the level. Frames
of the log-mel spectrogram and of the level are 25 ms long and 10 ms apart, and lie within the
utterance. An utterance that is shorter than a frame is padded with zeros.

To add a feature, write a function, add it to `FEATURES`, describe it in `parameters`, and add its
name to `extract.recipe.BASELINES`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from extract.audio import SAMPLING_RATE, Waveform
from extract.egemaps import egemaps
from extract.egemaps import parameters as egemaps_parameters

if TYPE_CHECKING:
    import scipy.sparse

FRAME = SAMPLING_RATE * 25 // 1000  # samples
HOP = SAMPLING_RATE * 10 // 1000  # samples
FFT = 512  # points
BANDS = 80
LOWEST, HIGHEST = 20.0, 8000.0  # Hz
FLOOR = 1e-10  # of power: -100 dB
BLOCK = 512  # frames per transform; their spectra fit into the processor's cache


def logmel(waveform: Waveform) -> npt.NDArray[np.float32]:
    """Log-mel spectrogram of a (sample,) waveform: natural logarithm of the power, (frame, band).

    The spectrogram has a periodic Hann window, a 512-point FFT, and triangular filters of height 1,
    equally spaced from 20 to 8000 Hz on the mel scale of O'Shaughnessy (1987) in the form of HTK,
    mel = 2595 · log₁₀(1 + Hz / 700) (Young et al., The HTK Book, section 5.4). The power is at
    least 1e-10.
    """
    import scipy.fft  # late: an extraction with nothing to embed does not need scipy

    window = _window()
    bands = [
        _filters() @ np.square(np.abs(scipy.fft.rfft(frames * window, FFT))).T
        for frames in _blocks(waveform)
    ]
    return np.log(np.maximum(np.concatenate(bands, axis=1), np.float32(FLOOR))).T


def energy(waveform: Waveform) -> npt.NDArray[np.float32]:
    """Level of each frame of a (sample,) waveform, (frame, 1).

    The level is 10 · log₁₀ of the mean square, in dB relative to a square wave of full scale, and
    at least -100.
    """
    power = [np.square(frames).mean(1, keepdims=True) for frames in _blocks(waveform)]
    return 10 * np.log10(np.maximum(np.concatenate(power), np.float32(FLOOR)))


def pooled(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Pool (frame, dim) to (2 · dim,): means, then population standard deviations."""
    wide = frames.astype(np.float64)
    return np.concatenate([wide.mean(0), wide.std(0)]).astype(np.float32)


def _blocks(waveform: Waveform) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the frames in blocks of (frame, sample)."""
    padded = np.pad(waveform, (0, max(0, FRAME - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    for start in range(0, len(frames), BLOCK):
        yield frames[start : start + BLOCK]


@cache
def _window() -> npt.NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


@cache
def _filters() -> "scipy.sparse.csr_array":
    """Mel filters, (band, frequency); sparse, so that the product does not use threads of BLAS."""
    import scipy.sparse

    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    frequencies = np.arange(FFT // 2 + 1) * SAMPLING_RATE / FFT
    lower, centre, upper = (edges[n : n + BANDS, None] for n in range(3))
    rising = (frequencies - lower) / (centre - lower)
    falling = (upper - frequencies) / (upper - centre)
    return scipy.sparse.csr_array(np.maximum(0, np.minimum(rising, falling)).astype(np.float32))


def _mel(hertz: float) -> float:
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)


FEATURES: dict[str, Callable[[Waveform], npt.NDArray[np.float32]]] = {
    "logmel": lambda waveform: pooled(logmel(waveform)),
    "energy": lambda waveform: pooled(energy(waveform)),
    "egemaps": egemaps,
}


def baselines(waveform: Waveform, names: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Features of a (sample,) waveform: name → (dim,).

    Raises:
        AudioError: they cannot be computed.
    """
    return {name: FEATURES[name](waveform) for name in names}


def parameters(names: Sequence[str]) -> dict[str, str]:
    """Descriptions in the recipe.

    Raises:
        UsageError: the library of a feature is not installed.
    """
    known = {
        "logmel": "mean and deviation of 80 bands, 25 ms Hann, 10 ms hop, HTK mel 20-8000 Hz, "
        "ln of power, at least 1e-10",
        "energy": "mean and deviation of the level, 25 ms frames, 10 ms hop, dB, at least -100",
    }
    return {name: egemaps_parameters() if name == "egemaps" else known[name] for name in names}
