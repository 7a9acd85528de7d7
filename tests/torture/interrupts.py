"""Signals to ``predict --stream`` at bad moments, on a machine that is busy with other things.

    python tests/torture/interrupts.py --repetitions 200 --busy 3
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

LIMIT = 60.0  # seconds after which a process that has not reacted hangs
DELAY = 0.005  # seconds, at most, from SIGUSR1 to SIGINT
QUESTIONS = 20  # SIGUSR1, answered, before these two
RATE = 16_000


@dataclass(frozen=True)
class Outcome:
    """Repetitions, those that hung, and how others ended that did not end as they should."""

    repetitions: int
    hangs: int
    wrong: tuple[str, ...]


class Hang(Exception):
    """A process does not react to a signal."""


def noise(seed: int, seconds: float) -> np.ndarray:
    """(sample,) int16 samples of noise."""
    samples = np.random.default_rng(seed).normal(0, 3_000, round(seconds * RATE))
    return samples.clip(-32_768, 32_767).astype(np.int16)


def make_model(folder: Path) -> Path:
    """A head on a tiny encoder with random weights."""
    from classify.train import main as train
    from extract.__main__ import main as extract

    for number in range(8):
        file = folder / "corpus" / ("anger", "sadness")[number % 2] / f"s{number % 4}_{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, noise(number, 0.5), RATE)
    cache, model = folder / "cache.h5", folder / "model"
    corpus = [str(folder / "corpus"), "--pattern", "{emotion}/{speaker}_{take}"]
    assert extract([*corpus, "--model", "untrained:tiny", "-o", str(cache), "-q"]) == 0
    assert train(["-o", str(model), "--head", "logreg", "--cache", str(cache), "-q"]) == 0
    return model


def interrupts(model: Path, repetitions: int, jobs: int = 2, busy: int = 0) -> Outcome:
    """Interrupt that many streams, `jobs` at a time, beside `busy` processes that only compute."""
    with _busy(busy), ThreadPoolExecutor(jobs) as pool:
        ends = list(pool.map(lambda seed: interrupted(model, seed), range(repetitions)))
    hangs = sum(end == "hang" for end in ends)
    return Outcome(repetitions, hangs, tuple(end for end in ends if end not in ("", "hang")))


def interrupted(model: Path, seed: int) -> str:
    """Ask a stream how it is getting on, again and again, and end it. Returns how it ended: "hang",
    what is wrong, or nothing if it ended as it should."""
    command = [sys.executable, "-m", "classify", "predict", str(model), "-", "--stream"]
    process = subprocess.Popen(
        [*command, "--no-vad", "--rate", str(RATE)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # even in the background
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        process.stdin.write(noise(seed, 3.2).tobytes())
        for _ in range(3):
            process.stdout.readline()
        for _ in range(QUESTIONS):
            process.send_signal(signal.SIGUSR1)
            _read_until(b"largest", process.stderr.fileno())
        process.send_signal(signal.SIGUSR1)
        time.sleep(random.Random(seed).uniform(0, DELAY))
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise Hang from None
        said = process.stderr.read().decode()
    except Hang:
        return "hang"
    finally:
        process.kill()
        process.communicate()
    good = status == 128 + signal.SIGINT and said.endswith("\ninterrupted\n")
    return "" if good and "Traceback" not in said else f"status {status}: {said}"


def _read_until(word: bytes, descriptor: int) -> None:
    """Read whole lines until one has the word.

    Raises:
        Hang: it does not come.
    """
    said, end = b"", time.monotonic() + LIMIT
    while not (word in said and said.endswith(b"\n")):
        if not select.select([descriptor], [], [], max(end - time.monotonic(), 0))[0]:
            raise Hang
        piece = os.read(descriptor, 4096)
        assert piece, said
        said += piece


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2, help="streams at a time")
    parser.add_argument("--busy", type=int, default=2, help="processes that only compute")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = interrupts(make_model(Path(folder)), args.repetitions, args.jobs, args.busy)
    print(outcome)
    return int(bool(outcome.hangs or outcome.wrong))


if __name__ == "__main__":
    sys.exit(main())
