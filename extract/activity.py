"""Frames with speech by their energy, and levels in dB re full scale."""

import numpy as np
import numpy.typing as npt

from extract.audio import SAMPLING_RATE

FRAME = SAMPLING_RATE // 50  # samples: 20 ms
SILENCE = -100.0  # dB re full scale, the lowest level
FLOOR = 0.1  # the quantile of the levels: long sentences have that much of pauses
MARGIN = 9.0  # dB above the floor that speech has; a stationary noise varies by 2
QUIETEST = -60.0  # dB re full scale: lower levels are not speech, even in a quiet room


def frame_levels(samples: npt.NDArray) -> npt.NDArray:
    """(frame,) dB re full scale of frames of 20 ms, the last of them at the end of `samples`."""
    count = len(samples) // FRAME
    frames = samples[len(samples) - count * FRAME :].reshape(count, FRAME)
    return _decibels(np.square(frames, dtype=float).mean(axis=1))


def level(samples: npt.NDArray) -> float:
    """dB re full scale of (sample,) samples."""
    return float(_decibels(np.square(samples, dtype=float).mean()))


def noise_floor(levels: npt.NDArray) -> float:
    """The 10 % quantile of the levels of frames, without digital silence."""
    heard = levels[levels > SILENCE]
    return float(np.quantile(heard, FLOOR)) if len(heard) else SILENCE


def is_speech(levels: npt.NDArray, floor: float) -> npt.NDArray[np.bool_]:
    """(frame,) whether frames are 9 dB above the noise floor, and above -60 dB."""
    return levels > max(floor + MARGIN, QUIETEST)


def speech(samples: npt.NDArray) -> npt.NDArray[np.bool_]:
    """(sample,) whether samples are in frames of speech; all, if no frame stands out as speech."""
    levels = frame_levels(samples)
    frames = is_speech(levels, noise_floor(levels))
    if not frames.any():
        return np.ones(len(samples), bool)
    return np.concatenate([np.zeros(len(samples) % FRAME, bool), np.repeat(frames, FRAME)])


def _decibels(power: npt.NDArray) -> npt.NDArray:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE / 10)))
