"""Gain and clipping."""

import numpy as np

from extract import activity
from extract.degradations.degradation import Given, Waveform

FULL_SCALE = 32768  # of 16 bits


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
