"""High-pass and low-pass filters of zero phase, which move nothing in time."""

from typing import Literal

import numpy as np

from extract.audio import SAMPLING_RATE
from extract.degradations.degradation import Given, Waveform

ORDER = 4  # of each of two passes, forward and backward: 48 dB per octave in total


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
