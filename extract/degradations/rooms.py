"""Reverberation of a room, by statistical room acoustics.

The impulse response is the direct sound, followed by noise whose energy decays by 60 dB within the
reverberation time. The energy of the noise is that in a room of 100 m³ at 1 m from the speaker: the
square of the distance over the critical distance, 0.057 sqrt(volume / RT60) m (Kuttruff, Room
Acoustics, chapter 5). All frequencies decay alike.
"""

import numpy as np
import numpy.typing as npt

from extract.audio import SAMPLING_RATE
from extract.degradations.degradation import Given, Waveform

DISTANCE = 1.0  # m
VOLUME = 100.0  # m³
FITTED = (-5.0, -35.0)  # dB of the decay that the measurement is fitted to (ISO 3382: T30)


def reverb(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Convolve with a room of the given RT60 in seconds; the length stays that of the waveform."""
    from scipy.signal import oaconvolve

    response = impulse_response(given.level, given.random)
    wet = oaconvolve(waveform.astype(float), response)[: len(waveform)]
    return wet.astype(np.float32), reverberation_time(response)


def impulse_response(seconds: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """(sample,) response of a room whose RT60 is `seconds`; the direct sound is 1."""
    time = np.arange(1, round(seconds * SAMPLING_RATE) + 1) / SAMPLING_RATE
    tail = random.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    energy = (DISTANCE / 0.057) ** 2 * seconds / VOLUME
    return np.concatenate([[1.0], tail * np.sqrt(energy / np.square(tail).sum())])


def reverberation_time(response: npt.NDArray[np.float64]) -> float:
    """RT60 in seconds, by a line through the backward integral (Schroeder 1965) in dB."""
    remaining = np.cumsum(np.square(response[::-1]))[::-1]
    decay = 10 * np.log10(remaining / remaining[0])
    first, last = (int(np.argmax(decay < limit)) for limit in FITTED)
    slope = np.polyfit(np.arange(first, last) / SAMPLING_RATE, decay[first:last], 1)[0]
    return float(-60 / slope)
