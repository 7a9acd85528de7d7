"""Signals to ``predict --stream`` at bad moments, on a machine that is busy with other things.

python tests/torture/interrupts.py --repetitions 200 --processes 20 --busy 3
"""

import argparse
import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

LIMIT = 60.0  # seconds after which a process that has not reacted hangs
START = 300.0  # seconds in which it starts and gives its answers
DELAY = 0.005  # seconds, at most, from SIGUSR1 to SIGINT
AT_ONCE = 0.2  # of the streams get them at one time
QUESTIONS = 3  # SIGUSR1, answered, before these two
RATE, SECONDS = 8_000, 3.2
STREAM = ["-", "--stream", "--no-vad", "--rate", str(RATE), "--encoding", "u8"]


@dataclass(frozen=True)
class Outcome:
    """How many streams were ended, how many hung, and how others ended that ended wrongly."""

    ended: int = 0
    hangs: int = 0
    wrong: tuple[str, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.ended + other.ended, self.hangs + other.hangs, self.wrong + other.wrong)

    @property
    def fine(self) -> bool:
        return self.ended > 0 and not self.hangs and not self.wrong


class Hang(Exception):
    """A process does not react."""


def make_model(folder: Path) -> Path:
    """A head on a tiny encoder with random weights."""
    from classify.commands.train import main as train
    from extract.__main__ import main as extract

    noise = np.random.default_rng(0).normal(0, 0.1, (8, 8_000))
    for number, samples in enumerate(noise):
        file = folder / "corpus" / ("anger", "sadness")[number % 2] / f"s{number % 4}_{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, samples, 16_000)
    cache, model = folder / "cache.h5", folder / "model"
    corpus = [str(folder / "corpus"), "--pattern", "{emotion}/{speaker}_{take}"]
    with contextlib.redirect_stdout(None):
        assert extract([*corpus, "--model", "untrained:tiny", "-o", str(cache), "-q"]) == 0
        assert train(["-o", str(model), "--head", "logreg", "--cache", str(cache), "-q"]) == 0
    return model


def interrupts(model: Path, repetitions: int, processes: int = 0, busy: int = 0) -> Outcome:
    """Interrupt `repetitions` streams that one process listens to, one after the other, and then
    `processes` streams of a process each; beside `busy` processes that only compute."""
    outcome, moments = Outcome(), random.Random(0)
    with _busy(busy):
        while outcome.ended + outcome.hangs < repetitions:  # again after a hang
            outcome += _one_after_the_other(model, repetitions - outcome.ended, moments)
        for _ in range(processes):
            outcome += _alone(model, moments)
    return outcome


def _one_after_the_other(model: Path, repetitions: int, moments: random.Random) -> Outcome:
    """Until a stream hangs."""
    outcome = Outcome()
    with _started([sys.executable, __file__, "--listen", str(model)]) as process:
        for _ in range(repetitions):
            try:
                _ask_and_interrupt(process, moments)
                status = int(_line(process.stdout.fileno(), b"status").split()[-1])
                message = _line(process.stderr.fileno(), b"interrupted").decode()
            except Hang:
                return outcome + Outcome(hangs=1)
            outcome += _ended(status, message)
    return outcome


def _alone(model: Path, moments: random.Random) -> Outcome:
    command = [sys.executable, "-m", "classify", "predict", str(model), *STREAM]
    with _started(command, stdin=subprocess.PIPE) as process:
        process.stdin.write(_noise())
        try:
            _ask_and_interrupt(process, moments)
            status = process.wait(LIMIT)
        except (Hang, subprocess.TimeoutExpired):
            return Outcome(hangs=1)
        return _ended(status, process.stderr.read().decode())


def _ask_and_interrupt(process: subprocess.Popen, moments: random.Random) -> None:
    """When the stream waits for more audio: SIGUSR1 with an answer, then one and SIGINT."""
    answers, errors = process.stdout.fileno(), process.stderr.fileno()
    for hop in (b"2.0", b"2.5", b"3.0"):
        _line(answers, b'{"time": ' + hop, START)
    for _ in range(QUESTIONS):
        process.send_signal(signal.SIGUSR1)
        _line(errors, b"largest")
    if moments.random() < AT_ONCE:
        at_once(process, signal.SIGUSR1, signal.SIGINT)
    else:
        process.send_signal(signal.SIGUSR1)
        time.sleep(moments.uniform(0, DELAY))
        process.send_signal(signal.SIGINT)


def at_once(process: subprocess.Popen, *signals: int) -> None:
    """Signals that a process receives at one and the same time, which is when it runs again."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    for number in (*signals, signal.SIGCONT):
        process.send_signal(number)


def _ended(status: int, message: str) -> Outcome:
    good = status == 128 + signal.SIGINT and message.endswith("\ninterrupted\n")
    good = good and "Traceback" not in message and "ignored" not in message
    return Outcome(ended=1, wrong=() if good else (f"status {status}: {message}",))


def _line(descriptor: int, start: bytes, limit: float = LIMIT) -> bytes:
    """Read up to the end of a line that has `start`; return all that was read.

    Raises:
        Hang: it does not come.
    """
    read, end = b"", time.monotonic() + limit
    while not (read.endswith(b"\n") and start in read.splitlines()[-1]):
        if not select.select([descriptor], [], [], max(end - time.monotonic(), 0))[0]:
            raise Hang
        byte = os.read(descriptor, 1)
        assert byte, read.decode()
        read += byte
    return read


def listen(model: str) -> None:
    """Run the command again and again in this process, where its encoder is loaded once.

    Each time audio comes through a new pipe, which stays open when it is used up.
    """
    from classify.commands import predict as command
    from classify.commands.stream import Predictor, TrainedHead
    from data import console

    predictor = Predictor.open(TrainedHead.load(Path(model)))
    Predictor.open = lambda *_: predictor
    while True:
        sys.stdin, feed = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True))
        os.write(feed.fileno(), _noise())
        status = console.run(lambda: command.main([model, *STREAM]))
        feed.close()
        print("status", status, flush=True)


def _noise() -> bytes:
    """Unsigned bytes, no more than a pipe holds."""
    return np.random.default_rng(1).integers(100, 156, round(SECONDS * RATE), np.uint8).tobytes()


@contextlib.contextmanager
def _started(command: list[str], **streams: int) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # even in the background
        **streams,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_started([sys.executable, "-c", "while True: pass"]))
        yield


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", metavar="MODEL", help="be the process that is interrupted")
    parser.add_argument("--repetitions", type=int, default=200, help="in one process")
    parser.add_argument("--processes", type=int, default=10, help="then of a process each")
    parser.add_argument("--busy", type=int, default=2, help="processes that only compute")
    args = parser.parse_args()
    if args.listen:
        listen(args.listen)
    with tempfile.TemporaryDirectory() as folder:
        outcome = interrupts(make_model(Path(folder)), args.repetitions, args.processes, args.busy)
    print(outcome)
    return int(not outcome.fine)


if __name__ == "__main__":
    sys.exit(main())
