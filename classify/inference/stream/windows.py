"""The sliding window, shared by the thread that reads samples and the one that predicts."""

import threading
from dataclasses import dataclass

import numpy as np

from extract.audio import SAMPLING_RATE, Waveform

# Python handles a signal that arrives right before the main thread blocks when it next wakes up
LONGEST_WAIT = 0.1  # seconds


@dataclass(frozen=True)
class Window:
    """The latest samples at one hop."""

    samples: Waveform  # (sample,) at 16 kHz
    end: int  # samples of the stream up to here
    arrived: float  # when the last of them did, by `time.monotonic`
    skipped: int  # hops that were passed over right before this one

    @property
    def seconds(self) -> float:
        """End of the window in seconds of the stream, by the number of samples."""
        return self.end / SAMPLING_RATE


class SlidingWindow:
    """Windows of `window` samples every `hop` samples.

    At most one window waits. When the next window is complete, a live stream drops the waiting one;
    otherwise the thread that puts samples waits. Memory is bounded by two windows.
    """

    def __init__(self, window: int, hop: int, live: bool) -> None:
        self.live = live
        self.count = 0  # samples so far
        self._window, self._hop = window, hop
        self._last = np.empty(0, np.float32)  # at most a window of samples
        self._next = window  # the count at which the next window is complete
        self._complete: Window | None = None
        self.closed = False  # whether the stream has ended
        self._wanted = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, samples: Waveform, arrived: float) -> None:
        """Append (sample,) samples at 16 kHz that came at `arrived`."""
        while len(samples):
            missing = self._next - self.count
            piece, samples = samples[:missing], samples[missing:]
            self._last = np.concatenate([self._last, piece])[-self._window :]
            self.count += len(piece)
            if self.count == self._next:
                self._hand_over(arrived)
                self._next += self._hop

    def wait_until_wanted(self) -> None:
        """Wait until samples are needed: not at all if live, otherwise until `take` waits.

        This keeps the samples of a stream that can wait as new as possible.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self.live or self.closed or (self._wanted and self._complete is None)
            )

    def take(self) -> Window | None:
        """Wait for the newest complete window; None if the stream has ended.

        Raises:
            BaseException: the error that was passed to `close`.
        """
        with self._changed:
            self._wanted = True
            self._changed.notify_all()
            while self._complete is None and not self.closed:
                self._changed.wait(LONGEST_WAIT)
            self._wanted = False
            window, self._complete = self._complete, None
            self._changed.notify_all()
        if window is None and self._error is not None:
            raise self._error
        return window

    def close(self, error: BaseException | None = None) -> None:
        """End the stream, because of `error` or normally."""
        with self._changed:
            self.closed, self._error = True, self._error or error
            self._changed.notify_all()

    def _hand_over(self, arrived: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.live or self.closed or self._complete is None)
            skipped = 0 if self._complete is None else self._complete.skipped + 1
            self._complete = Window(self._last, self.count, arrived, skipped)
            self._changed.notify_all()
