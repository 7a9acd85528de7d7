"""Simple changes: filters of zero phase, gain, clipping, speed, and samples that are cut off."""

from typing import Literal

import numpy as np
import soxr

from extract import activity
from extract.audio import SAMPLING_RATE
from extract.degradations.degradation import Given, Waveform

ORDER = 4  # of each of two passes, forward and backward: 48 dB per octave in total
FULL_SCALE = 32768  # of 16 bits


def lowpass(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Attenuate what is above the level in Hz; -3 dB at the level."""
    return passed(waveform, given.level, "lowpass"), given.level


def highpass(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Attenuate what is below the level in Hz; -3 dB at the level."""
    return passed(waveform, given.level, "highpass"), given.level


def passed(waveform: Waveform, hertz: float, kind: Literal["lowpass", "highpass"]) -> Waveform:
    """Apply a Butterworth filter forward and backward.

    Each pass has -1.5 dB at `hertz`: in terms of the prewarped frequency w, the gain of one is
    1 / sqrt(1 + (w / c)^(2 ORDER)), and c follows.
    """
    from scipy.signal import butter, sosfiltfilt

    widening = (np.sqrt(2) - 1) ** (0.5 / ORDER)
    warped = np.tan(np.pi * hertz / SAMPLING_RATE)
    warped = warped / widening if kind == "lowpass" else warped * widening
    cutoff = SAMPLING_RATE / np.pi * np.arctan(warped)
    sections = butter(ORDER, cutoff, kind, output="sos", fs=SAMPLING_RATE)
    return sosfiltfilt(sections, waveform.astype(float)).astype(np.float32)


def gain(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Amplify by the level in dB, and store as 16 bits: loud samples clip, quiet ones round.

    In floating point, encoders that normalise their input would see no difference. The measured
    level is that over speech.
    """
    scaled = waveform * (FULL_SCALE * 10 ** (given.level / 20))
    degraded = np.clip(np.round(scaled), -FULL_SCALE, FULL_SCALE - 1) / np.float32(FULL_SCALE)
    where = activity.speech(waveform)
    achieved = activity.level(degraded[where]) - activity.level(waveform[where])
    return degraded.astype(np.float32), achieved


def clip(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Limit the magnitude so that the level is the share of samples at the limit."""
    magnitude = np.abs(waveform)
    limit = np.quantile(magnitude, 1 - given.level).astype(np.float32)
    return np.clip(waveform, -limit, limit), float(np.mean(magnitude >= limit))


def speed(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Play faster by a factor, by resampling: tempo and pitch change."""
    rate = SAMPLING_RATE * given.level
    faster = soxr.resample(waveform, rate, SAMPLING_RATE, quality="HQ").astype(np.float32)
    return faster, len(waveform) / max(len(faster), 1)


def crop(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Cut samples off the beginning, or off the end if their number is negative."""
    count = int(given.level)
    return (waveform[count:] if count >= 0 else waveform[:count]), float(count)
