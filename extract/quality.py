"""Quality of a recording: bandwidth, level of the speech, signal-to-noise ratio, and clipping.

All are of a (sample,) waveform at 16 kHz before normalisation, from frames of 32 ms that do not
overlap. They compare recordings with those that a model was trained on, and are not calibrated
measurements: an utterance without pauses, for example, has a lower estimate of its SNR.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from extract.audio import SAMPLING_RATE, Waveform

FRAME = 512  # samples: 32 ms, 31.25 Hz a bin
LOUD = 0.95  # quantile of a bin's power over frames, so that short fricatives count
BELOW_PEAK = 60.0  # dB under the strongest bin, where the band ends
MARGIN = 15.9  # dB between active level and threshold (ITU-T P.56, method B)
ABOVE_NOISE = 1.5  # dB that an active frame has above the noise; white noise varies by 0.3
QUIET = 0.05  # quantile of the frames' power that is taken for the noise
FLOOR = 1e-10  # of power: -100 dB
PEAK = 0.998  # quantile of the magnitudes; resampling lets clipped samples overshoot
NEAR_PEAK = 0.9  # of that quantile


class Quality(NamedTuple):
    """Measurements of one recording; the names are columns of a cache."""

    bandwidth_hz: float
    level_db: float  # of the active speech, re full scale
    snr_db: float
    clipped_share: float  # of the samples


def quality(waveform: Waveform) -> Quality:
    """Measure a (sample,) waveform at 16 kHz.

    * `bandwidth_hz`: upper edge of the highest bin of the spectrum whose power is at most 60 dB
      below that of the strongest bin. The power of a bin is its 95 % quantile over frames (Hann).
    * `level_db`: active speech level A, the mean power of the frames that are above A - 15.9 dB and
      above N + 1.5 dB, found by fixed-point iteration: the threshold of ITU-T P.56 (2011), method
      B, on the power of frames in place of its envelope. 0 dB is a square wave of full scale.
    * `snr_db`: (A - N) / N, where the noise N is the 5 % quantile of the power of the frames
      (compare Hirsch & Ehrlicher 1995, Noise Estimation Techniques for Robust Speech Recognition,
      and Stahl et al. 2000, Quantile Based Noise Estimation). From -20 to 100 dB.
    * `clipped_share`: share of samples whose magnitude is at least 0.9 of the 99.8 % quantile of
      the magnitudes. Speech that is not clipped has 0.003 to 0.007; of speech that was clipped
      before it was resampled, 1 to 10 % are found, and of 40 % a part.
    """
    size = max(len(waveform), FRAME)
    padded = waveform if len(waveform) == size else np.pad(waveform, (0, size - len(waveform)))
    frames = padded[: size // FRAME * FRAME].reshape(-1, FRAME)
    power = np.maximum(np.einsum("ts,ts->t", frames, frames, dtype=np.float64) / FRAME, FLOOR)
    noise = float(np.quantile(power, QUIET))
    active = _active(power, noise)
    magnitude = np.abs(waveform)
    peak = np.partition(magnitude, place := int(PEAK * (len(magnitude) - 1)))[place]
    return Quality(
        _bandwidth(frames),
        round(float(10 * np.log10(active)), 2),
        round(float(10 * np.log10(np.clip((active - noise) / noise, 1e-2, 1e10))), 2),
        round(float(np.mean(magnitude >= NEAR_PEAK * peak)), 6),
    )


def _bandwidth(frames: npt.NDArray[np.float32]) -> float:
    spectra = np.fft.rfft((frames - frames.mean(1, keepdims=True)) * _window())
    power = np.square(spectra.real) + np.square(spectra.imag)
    place = min(len(power) - 1, int(LOUD * len(power)))
    loud = np.partition(power, place, axis=0)[place]
    (above,) = np.nonzero(loud >= loud.max() * 10 ** (-BELOW_PEAK / 10))
    return float((above[-1] + 0.5) * SAMPLING_RATE / FRAME)


def _active(power: npt.NDArray[np.float64], noise: float) -> float:
    """Mean of the powers that are above the noise and above 15.9 dB below this mean."""
    least = noise * 10 ** (ABOVE_NOISE / 10)
    active = float(power.mean())
    for _ in range(20):
        above = power[power > max(active * 10 ** (-MARGIN / 10), least)]
        if not len(above) or (mean := float(above.mean())) == active:
            break
        active = mean
    return active


@cache
def _window() -> npt.NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
