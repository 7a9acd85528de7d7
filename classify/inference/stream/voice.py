"""Voice activity by energy, above a noise floor that adapts."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from classify.inference.stream.windows import Window
from extract.activity import FRAME, SILENCE, frame_levels, is_speech, level, noise_floor
from extract.audio import SAMPLING_RATE

MEMORY = 10.0  # seconds that the floor is found in
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
        floor = noise_floor(np.array(self._levels))
        speech = is_speech(levels, floor)
        return Activity(bool(speech.mean() >= SHARE), level(window.samples), floor)
