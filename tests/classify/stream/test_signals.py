"""Signals at all times of a stream: while it waits, computes, writes, or before it starts."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from classify.inference.predictor import Answer
from classify.inference.stream.loop import Stream
from classify.inference.stream.options import StreamOptions
from classify.inference.stream.signals import Signals
from data.utterance import Utterance

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
BLOCK = np.zeros(8_000, np.float32)
OPTIONS = StreamOptions(window=0.5, hop=0.5, voice_only=False)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Python's own, as a command has them, even if these tests run in the background of a shell."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Listening:
    """Answers after it has done something."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.answers = 0
        self._meanwhile = meanwhile

    def waveform(self, _: np.ndarray) -> Answer:
        self._meanwhile()
        self.answers += 1
        return Answer(Utterance("a", "", None, "a"), {"anger": 1.0})


class Silent:
    """A source that gives some blocks, sends signals from its own thread, and then gives nothing
    for a long time: the main thread waits, and its waiting is not interrupted."""

    def __init__(self, blocks: int, *signals: int) -> None:
        self.arrived, self.lost, self.ended = 0.0, 0, False
        self._blocks, self._signals = blocks, signals
        self.released = threading.Event()

    def blocks(self) -> Iterator[np.ndarray]:
        for _ in range(self._blocks):
            self.arrived = time.monotonic()
            yield BLOCK
        time.sleep(0.05)  # until the main thread waits
        for number in self._signals:
            signal.pthread_kill(threading.get_ident(), number)
        self.released.wait(30)
        self.ended = True


def test_a_waiting_stream_ends_though_nothing_wakes_it() -> None:
    """What arrives right before a wait begins does not interrupt it, nor what another thread gets:
    for ever, if nothing comes any more."""
    source, predictor = Silent(2, signal.SIGINT), Listening()
    stream = Stream(predictor, source, OPTIONS)
    with pytest.raises(KeyboardInterrupt), Signals(stream.stop, str):
        for _ in stream:
            pass
    assert not source.ended
    assert predictor.answers == 2
    source.released.set()


def test_a_python_program_is_interrupted_as_well() -> None:
    source = Silent(0, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        list(Stream(Listening(), source, OPTIONS))
    assert not source.ended
    source.released.set()


def test_a_question_is_answered_while_nothing_comes(capfd) -> None:
    source = Silent(1, signal.SIGUSR1)
    stream = Stream(Listening(), source, OPTIONS)
    asked = []

    def words() -> str:
        asked.append(source.ended)
        stream.stop()
        return "so far"

    with Signals(stream.stop, words):
        assert len(list(stream)) == 1
    assert asked == [False]
    source.released.set()


def test_a_signal_does_not_interrupt_a_prediction() -> None:
    """Neither an answer nor a count, by either signal; then it does what it does elsewhere."""
    for number, handler in ((signal.SIGINT, None), (signal.SIGTERM, _stopped)):
        if handler:
            signal.signal(number, handler)
        predictor = Listening(lambda number=number: signal.raise_signal(number))
        stream = Stream(predictor, Silent(9), OPTIONS)
        shown = []
        with pytest.raises(KeyboardInterrupt), Signals(stream.stop, str):
            shown += stream
        assert len(shown) == predictor.answers == 1


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_second_signal_breaks_in() -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    predictor = Listening(twice)
    stream = Stream(predictor, Silent(9), OPTIONS)
    with pytest.raises(KeyboardInterrupt), Signals(stream.stop, str):
        list(stream)
    assert predictor.answers == 0


@contextlib.contextmanager
def noted(number: int) -> Iterator[None]:
    signal.raise_signal(number)
    yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_reader_that_does_not_read_keeps_nothing_waiting(number: int) -> None:
    signal.signal(number, _stopped)
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    while True:
        try:
            os.write(theirs, bytes(4096))
        except BlockingIOError:
            break
    os.set_blocking(theirs, True)
    here = threading.get_ident()
    threading.Timer(0.2, lambda: signal.pthread_kill(here, number)).start()
    with pytest.raises(KeyboardInterrupt), Signals(lambda: None, str) as signals, signals.writing():
        os.write(theirs, bytes(4096))
    signals = Signals(lambda: None, str)
    with pytest.raises(KeyboardInterrupt), signals, noted(number), signals.writing():
        os.write(theirs, bytes(4096))
    os.close(ours)
    os.close(theirs)


def test_an_ignored_signal_stays_ignored() -> None:
    """As in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stream = Stream(Listening(lambda: signal.raise_signal(signal.SIGINT)), Silent(3), OPTIONS)
    stream._source.released.set()
    with Signals(stream.stop, str):
        assert len(list(stream)) == 3
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_handlers_are_restored_and_a_late_signal_is_harmless() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Signals(lambda: None, str):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    signal.raise_signal(signal.SIGUSR1)


def test_a_status_request_with_closed_standard_error(monkeypatch) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as closed, Signals(lambda: None, str):
        monkeypatch.setattr(sys, "stderr", closed)
        signal.raise_signal(signal.SIGUSR1)
        monkeypatch.undo()
