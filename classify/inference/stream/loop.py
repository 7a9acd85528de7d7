"""Predict a stream: one prediction for each hop."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from classify.inference.predictor import Answer
from classify.inference.stream.options import StreamOptions
from classify.inference.stream.smoothing import Smoothing
from classify.inference.stream.sources import Source
from classify.inference.stream.voice import Activity, VoiceActivity
from classify.inference.stream.windows import SlidingWindow, Window
from data.errors import AudioError
from extract.audio import SAMPLING_RATE, Waveform
from extract.decoding import Refusal

PATIENCE = 0.2  # seconds that a reader which waits for its source is given to end


class PredictsWaveform(Protocol):
    """The part of `Predictor` that a stream uses."""

    def waveform(self, waveform: Waveform) -> Answer | Refusal:
        """Predict (sample,) samples at 16 kHz."""


@dataclass(frozen=True)
class Moment:
    """The result at one hop.

    Attributes:
        time: seconds of audio from the stream's start to the window's end.
        activity: whether there is speech in the window, and how loud it is.
        values: the window's own probabilities, or numbers; None: no voice, or refused.
        smoothed: the same, smoothed over time; None: no prediction lately.
        refused: why the encoder gave no answer, if it was asked.
        skipped: number of hops that were skipped before this one.
        arrived: time at which the last sample arrived, by `time.monotonic`.
        outside: out-of-domain score and warnings of the window, see `Answer.outside`.
        warnings: what of the window lies outside of training, by its names.
    """

    time: float
    activity: Activity
    values: dict[str, float] | None
    smoothed: dict[str, float] | None
    refused: str | None
    skipped: int
    arrived: float
    outside: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

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

    def __init__(self, predictor: PredictsWaveform, source: Source, options: StreamOptions) -> None:
        self.options = options
        self._listener, self._source = predictor, source
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
        activity = self._voice(window)
        values = refused = None
        outside: dict[str, Any] = {}
        warnings: tuple[str, ...] = ()
        if activity.voice or not self.options.voice_only:
            result = self._listener.waveform(window.samples)
            if isinstance(result, Refusal):
                refused = result.reason
            else:
                values = result.numbers or result.probabilities
                outside, warnings = result.outside, tuple(result.warnings)
        smoothed = self._smoothing(window.seconds, values)
        return Moment(
            window.seconds, activity, values, smoothed, refused, window.skipped, window.arrived,
            outside, warnings,
        )  # fmt: skip
