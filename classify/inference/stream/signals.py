"""SIGINT, SIGTERM and SIGUSR1 while a stream is predicted."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

ENDING = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """A context in which SIGINT and SIGTERM end a stream between two predictions, and SIGUSR1
    prints its progress, as in dd.

    Python calls a handler between any two instructions of the main thread. A handler that raises
    can interrupt a summary in the middle of an update, or a lock in the middle of an acquisition.
    These handlers therefore raise nothing. At the end of the context, the signal is raised again
    with its normal handler. A second signal is raised at once. Ignored signals stay ignored.
    """

    def __init__(self, stop: Callable[[], None], words: Callable[[], str]) -> None:
        """`stop` ends the stream, `words` describes its progress. Handlers call both."""
        self._stop, self._words = stop, words
        self._before: dict[int, Any] = {}  # signal that ends the stream → its handler outside
        self._ending: int | None = None  # the one that has come
        self._writing = False

    def __enter__(self) -> Self:
        for number in ENDING:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._end)
        if hasattr(signal, "SIGUSR1"):  # Windows has none
            signal.signal(signal.SIGUSR1, self._tell)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()
        if hasattr(signal, "SIGUSR1"):  # a late SIGUSR1 must not kill the program while it exits
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if self._ending is not None and not isinstance(error, KeyboardInterrupt):
            signal.raise_signal(self._ending)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A context that SIGINT and SIGTERM interrupt, since the reader of the output may block
        it."""
        self._writing = True
        try:
            if self._ending is not None:
                signal.raise_signal(self._ending)
            yield
        finally:
            self._writing = False

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        self._ending = number
        self._stop()
        if self._writing:
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _tell(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):  # standard error is closed
            os.write(sys.stderr.fileno(), f"{self._words()}\n".encode())  # print is not reentrant
