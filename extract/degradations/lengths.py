"""Changes of the length: speed, and samples that are cut off."""

import numpy as np
import soxr

from extract.audio import SAMPLING_RATE
from extract.degradations.degradation import Given, Waveform


def speed(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Play faster by a factor, by resampling: tempo and pitch change."""
    rate = SAMPLING_RATE * given.level
    faster = soxr.resample(waveform, rate, SAMPLING_RATE, quality="HQ").astype(np.float32)
    return faster, len(waveform) / max(len(faster), 1)


def crop(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Cut samples off the beginning, or off the end if their number is negative."""
    count = int(given.level)
    return (waveform[count:] if count >= 0 else waveform[:count]), float(count)
