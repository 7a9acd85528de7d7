"""What an utterance sounds like without any model of speech: baselines for probes.

Both work on 16 kHz mono samples before normalisation, so level is in them. Frames are 25 ms long
and 10 ms apart and lie wholly within the utterance; what is shorter than a frame is padded with
zeros to one.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

from extract.audio import SAMPLING_RATE, Waveform

FRAME = SAMPLING_RATE * 25 // 1000  # samples
HOP = SAMPLING_RATE * 10 // 1000  # samples
FFT = 512  # points
BANDS = 80
LOWEST, HIGHEST = 20.0, 8000.0  # Hz
FLOOR = 1e-10  # of power: -100 dB
BLOCK = 512  # frames that are transformed at a time: their spectra stay in the processor's cache


def baselines(waveform: Waveform, names: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Mean and population's deviation over the frames of each of `names`: (2 · dim,) each."""
    return {name: _pooled(FEATURES[name](waveform)) for name in names}


def logmel(waveform: Waveform) -> npt.NDArray[np.float32]:
    """Log-mel spectrogram of (sample,), (frame, band): natural log of the power in each band.

    A periodic Hann window, a 512-point FFT, and triangular filters of height 1, equally spaced from
    20 to 8000 Hz on the mel scale of O'Shaughnessy (1987) as HTK has it, mel = 2595 · log₁₀(1 + Hz
    / 700) (Young et al., The HTK Book, section 5.4). Power is floored at 1e-10.
    """
    window = _window()
    bands = [
        _filters() @ np.square(np.abs(scipy.fft.rfft(frames * window, FFT))).T
        for frames in _blocks(waveform)
    ]
    return np.log(np.maximum(np.concatenate(bands, axis=1), np.float32(FLOOR))).T


def energy(waveform: Waveform) -> npt.NDArray[np.float32]:
    """Level of each frame of (sample,), (frame, 1): 10 · log₁₀ of its mean square, in dB relative
    to a square wave of full scale, at least -100."""
    power = [np.square(frames).mean(1, keepdims=True) for frames in _blocks(waveform)]
    return 10 * np.log10(np.maximum(np.concatenate(power), np.float32(FLOOR)))


FEATURES: dict[str, Callable[[Waveform], npt.NDArray[np.float32]]] = {
    "logmel": logmel,
    "energy": energy,
}
PARAMETERS = {  # of each, in the recipe
    "logmel": "mean and deviation of 80 bands, 25 ms Hann, 10 ms hop, HTK mel 20-8000 Hz, "
    "ln of power, at least 1e-10",
    "energy": "mean and deviation of the level, 25 ms frames, 10 ms hop, dB, at least -100",
}


def _blocks(waveform: Waveform) -> Iterator[npt.NDArray[np.float32]]:
    """The frames in order, (frame, sample), some hundred at a time."""
    padded = np.pad(waveform, (0, max(0, FRAME - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    for start in range(0, len(frames), BLOCK):
        yield frames[start : start + BLOCK]


def _pooled(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(frame, dim) → (2 · dim,): the means, then the deviations."""
    wide = frames.astype(np.float64)
    return np.concatenate([wide.mean(0), wide.std(0)]).astype(np.float32)


@cache
def _window() -> npt.NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


@cache
def _filters() -> scipy.sparse.csr_array:
    """(band, frequency). Sparse: its product needs no threads of BLAS beside those that decode, and
    does not depend on how many there are."""
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
