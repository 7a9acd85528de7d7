"""Voice activity by energy, above a noise floor that adapts."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from classify.inference.stream.windows import Window
from extract.audio import SAMPLING_RATE

FRAME = SAMPLING_RATE // 50  # samples: 20 ms
SILENCE = -100.0  # dB re full scale, the lowest level
MEMORY = 10.0  # seconds that the floor is found in
FLOOR = 0.1  # the quantile of their levels: long sentences have that much of pauses
MARGIN = 9.0  # dB above the floor that speech has; a stationary noise varies by 2
QUIETEST = -60.0  # dB re full scale: lower levels are not speech, even in a quiet room
SHARE = 0.2  # of a window's frames that are speech, in a window with speech


@dataclass(frozen=True)
class Activity:
    """Voice activity and levels of a window."""

    voice: bool
    level: float  # dB re full scale, of the whole window
    floor: float  # dB re full scale, the noise floor at its end


class VoiceActivity:
    """Decide for each window of a stream whether it has speech.

    The floor is the 10 % quantile of the levels of 20 ms frames in the last 10 s, without digital
    silence. It follows new noise within 9 s, and the end of noise within 1 s. (Compare Martin's
    minimum statistics, 2001.) A frame is
    speech if it is 9 dB above the floor and above -60 dB; a window has voice if a fifth of its
    frames are speech.
    """

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=round(MEMORY * SAMPLING_RATE / FRAME))
        self._end = 0  # of the last window, in samples of the stream

    def __call__(self, window: Window) -> Activity:
        """Windows in the order of the stream."""
        levels = frame_levels(window.samples)
        fresh = min(round((window.end - self._end) / FRAME), len(levels))
        self._end = window.end
        recent = levels[len(levels) - fresh :]
        self._levels.extend(recent[recent > SILENCE].tolist())
        floor = float(np.quantile(self._levels, FLOOR)) if self._levels else SILENCE
        speech = levels > max(floor + MARGIN, QUIETEST)
        return Activity(bool(speech.mean() >= SHARE), level(window.samples), floor)


def frame_levels(samples: np.ndarray) -> np.ndarray:
    """(frame,) dB re full scale of frames of 20 ms, the last of them at the end of `samples`."""
    count = len(samples) // FRAME
    frames = samples[len(samples) - count * FRAME :].reshape(count, FRAME)
    return _decibels(np.square(frames, dtype=float).mean(axis=1))


def level(samples: np.ndarray) -> float:
    """dB re full scale of (sample,) samples."""
    return float(_decibels(np.square(samples, dtype=float).mean()))


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE / 10)))
