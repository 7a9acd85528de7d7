"""Predict a stream: one prediction for each hop."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from classify.inference.predictor import Answer, Predictor
from classify.inference.stream.options import StreamOptions
from classify.inference.stream.smoothing import Smoothing
from classify.inference.stream.sources import Source
from classify.inference.stream.voice import Activity, VoiceActivity
from classify.inference.stream.windows import SlidingWindow, Window
from data.errors import AudioError
from extract.audio import SAMPLING_RATE
from extract.decoding import Refusal

PATIENCE = 0.2  # seconds that a reader which waits for its source is given to end


@dataclass(frozen=True)
class Moment:
    """The result at one hop.

    Attributes:
        time: seconds of audio from the stream's start to the window's end.
        activity: whether there is speech in the window, and how loud it is.
        result: the encoder's answer, or its refusal; None: it was not asked, without voice.
        smoothed: probabilities or numbers, smoothed over time; None: no prediction lately.
        skipped: number of hops that were skipped before this one.
        arrived: time at which the last sample arrived, by `time.monotonic`.
    """

    time: float
    activity: Activity
    result: Answer | Refusal | None
    smoothed: dict[str, float] | None
    skipped: int
    arrived: float

    @property
    def answer(self) -> Answer | None:
        """The answer, if there is one."""
        return self.result if isinstance(self.result, Answer) else None

    @property
    def values(self) -> dict[str, float] | None:
        """The window's own probabilities or numbers."""
        return self.answer.values if self.answer else None

    @property
    def refused(self) -> str | None:
        """The reason for which the encoder gave no answer, if it was asked."""
        return self.result.reason if isinstance(self.result, Refusal) else None

    @property
    def latency(self) -> float:
        """Seconds since the last sample arrived."""
        return time.monotonic() - self.arrived


class Stream:
    """Predict a source until it ends; iterate over it once.

        for moment in Stream(Predictor.open(model), Microphone(), StreamOptions(live=True)):
            print(moment.time, moment.smoothed)

    A thread reads the source; it ends when the loop is left.
    """

    def __init__(self, predictor: Predictor, source: Source, options: StreamOptions) -> None:
        self.options = options
        self._predictor, self._source = predictor, source
        window, hop = (round(s * SAMPLING_RATE) for s in (options.window, options.hop))
        self._windows = SlidingWindow(window, hop, options.live)
        self._voice = VoiceActivity()
        self._smoothing = Smoothing(options.half_life)
        self._stopped = False

    @property
    def seconds(self) -> float:
        """Seconds of audio that were received."""
        return self._windows.count / SAMPLING_RATE

    def stop(self) -> None:
        """End the iteration after the current prediction. Threads and signal handlers may call
        this."""
        self._stopped = True
        self._windows.close()

    def __iter__(self) -> Iterator[Moment]:
        """Moments in the order of time.

        Raises:
            AudioError, OSError: the source cannot be read.
        """
        reader = threading.Thread(target=self._read, name="source", daemon=True)
        reader.start()
        try:
            while (window := self._windows.take()) is not None and not self._stopped:
                yield self._answer(window)
        finally:
            self._windows.close()
            reader.join(PATIENCE)

    def _read(self) -> None:
        windows = self._windows
        try:
            blocks = self._source.blocks()
            while not windows.closed:
                windows.wait_until_wanted()
                block = next(blocks, None)
                if block is None:
                    break
                if not np.isfinite(block).all():
                    raise AudioError(
                        f"NaN or infinity among the samples after {self.seconds:.2f} s"
                    )
                windows.put(block, self._source.arrived)
            windows.close()
        except BaseException as error:  # raised where the answers are waited for
            windows.close(error)

    def _answer(self, window: Window) -> Moment:
        activity, result = self._voice(window), None
        if activity.voice or not self.options.voice_only:
            result = self._predictor.waveform(window.samples)
        values = result.values if isinstance(result, Answer) else None
        smoothed = self._smoothing(window.seconds, values)
        return Moment(window.seconds, activity, result, smoothed, window.skipped, window.arrived)
