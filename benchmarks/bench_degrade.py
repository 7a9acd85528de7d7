"""What degrading costs of an extraction.

    python benchmarks/bench_degrade.py emodb [--degrade robuser noise:20 opus:16] [--files 24]

Embeds recordings in conditions by wav2vec2-base (random weights), from files on disk to the packed
cache. Measures the CPU time of the whole process, and within it that of the threads while they
degrade; other processes on the machine change their ratio little. On a CPU the encoder uses all
cores, so that the ratio of CPU times is that of the times. A set of conditions is embedded as a
whole. Prints CPU milliseconds for each second of audio that is embedded: by degrading, by
everything else (as for clean recordings), and the ratio; the median over the rounds.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from threading import Lock
from time import process_time, thread_time

import extract.degradations
from data import corpora
from extract.degradations import conditions, degrade
from extract.engines import open_engine
from extract.pipeline import Settings
from extract.pipeline import extract as embed
from extract.recipe import Request

SINGLE = (
    "noise:20:white", "noise:20:babble", "reverb:0.5", "telephone", "gsm", "opus:16", "mp3:32",
    "clip:0.4", "gain:-20", "speed:0.9", "lowpass:7000", "crop:500",
)  # fmt: skip


class Timed:
    """Degrades, and adds up the CPU seconds of all threads."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.lock = Lock()

    def __call__(self, *arguments):
        began = thread_time()
        try:
            return degrade(*arguments)
        finally:
            with self.lock:
                self.seconds += thread_time() - began


def costs(utterances, engine) -> tuple[float, float]:
    """CPU seconds for a second of audio: of degrading, and of everything else."""
    extract.degradations.degrade = timed = Timed()
    with tempfile.TemporaryDirectory() as folder:
        began = process_time()
        seconds = embed(utterances, engine, Path(folder, "c.h5"), Settings()).seconds
        whole = process_time() - began
    return timed.seconds / seconds, (whole - timed.seconds) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--degrade", nargs="+", default=[*SINGLE, "robuser", "small", "all"])
    parser.add_argument("--noise", type=Path)
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="untrained")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    listed = list(corpora.read(arguments.corpus).utterances)
    chosen = range(len(listed))[:: max(1, len(listed) // arguments.files)][: arguments.files]
    engine = open_engine(arguments.model, Request(), arguments.device)
    costs([listed[number] for number in chosen], engine)  # the engine warms up
    print("condition          utterances  degrading    others  ratio")
    for spec in arguments.degrade:
        of_specs = conditions([spec], listed, arguments.noise)
        utterances = [listed[number].degraded(of[number]) for number in chosen for of in of_specs]
        costs(utterances[:2], engine)  # libraries are imported
        rounds = [costs(utterances, engine) for _ in range(arguments.rounds)]
        own, others = (1000 * median(column) for column in zip(*rounds, strict=True))
        ratio = median(a / b for a, b in rounds)
        print(f"{spec:18} {len(utterances):10}  {own:6.2f} ms {others:6.1f} ms {ratio:6.1%}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
