"""A fingerprint of a recording that survives resampling, encoding and a change of level.

The bits are signs of differences of band energies, over time and frequency, of Haitsma & Kalker
(2002), A Highly Robust Audio Fingerprinting System, in segments that divide the whole recording.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from extract.audio import SAMPLING_RATE, Waveform

FRAME, HOP = 1024, 256  # samples
LOWEST, HIGHEST = 300.0, 3400.0  # Hz, also of telephone speech
BANDS, SEGMENTS = 17, 33  # one more than bits in each direction
BLOCK = 1024  # frames

# Share of the bits in which two recordings differ: see docs/finetuning.md
SAME = 0.2


def fingerprint(waveform: Waveform) -> str:
    """512 bits of a (sample,) waveform at 16 kHz, in hexadecimal."""
    energies = _energies(np.asarray(waveform, np.float32))  # (frame, band)
    summed = np.vstack([np.zeros(BANDS), energies.cumsum(0)])
    ends = np.linspace(0, len(energies), SEGMENTS + 1)
    at_ends = np.stack([np.interp(ends, np.arange(len(summed)), band) for band in summed.T], 1)
    differences = np.diff(np.diff(np.diff(at_ends, axis=0), axis=0), axis=1)
    return np.packbits(differences > 0).tobytes().hex()


def unpacked(fingerprints: Sequence[str]) -> npt.NDArray[np.uint8]:
    """(recording, byte) of fingerprints in hexadecimal."""
    joined = np.frombuffer(bytes.fromhex("".join(fingerprints)), np.uint8)
    return joined.reshape(len(fingerprints), -1)


def distances(one: str, others: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(recording,) share of the bits in which one fingerprint differs from others, as of
    `unpacked`."""
    differing = np.bitwise_count(others ^ unpacked([one]))
    return differing.sum(1) / (8 * others.shape[1])


def _energies(waveform: Waveform) -> npt.NDArray[np.float64]:
    """(frame, band) logarithm of the power in bands of equal width on a logarithmic scale."""
    padded = np.pad(waveform, (0, max(0, FRAME - len(waveform))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    window = np.hanning(FRAME).astype(np.float32)
    edges = np.geomspace(LOWEST, HIGHEST, BANDS + 1) * FRAME / SAMPLING_RATE
    bins = np.round(edges).astype(int)
    found = []
    for first in range(0, len(windows), BLOCK):
        spectrum = np.square(np.abs(np.fft.rfft(windows[first : first + BLOCK] * window)))
        found.append(np.add.reduceat(spectrum[:, : bins[-1]], bins[:-1], axis=1))
    power = np.concatenate(found)
    return np.log(power + 1e-6 * power.max() + 1e-30)
