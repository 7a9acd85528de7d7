"""What degrading costs of an extraction.

    python benchmarks/bench_degrade.py emodb [--degrade robuser noise:20 opus:16] [--files 24]

The same encoder (wav2vec2-base, random weights) embeds recordings in a condition, and the same
number of clean copies, from files on disk to the packed cache, one after the other in each round,
so that a machine's moods meet both. A set of conditions is embedded as a whole. The clean
utterances are part of both sides. Prints one row for each: seconds of audio that one second of the
clock embeds on both sides, and the medians over the rounds of what degrading adds to the time and
to the CPU time. On a CPU, the encoder uses all cores, so that both are about the same; the CPU time
depends less on other processes.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from data import corpora
from data.utterance import Utterance
from extract.degradations import conditions
from extract.engines import open_engine
from extract.pipeline import Settings, extract
from extract.recipe import Request

SINGLE = (
    "noise:20:white", "noise:20:babble", "reverb:0.5", "telephone", "gsm", "opus:16", "mp3:32",
    "clip:0.4", "gain:-20", "speed:0.9", "lowpass:7000", "crop:500",
)  # fmt: skip


def cost(utterances: list[Utterance], engine) -> tuple[float, float]:
    """Seconds by the clock, and of CPU, for a second of audio."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter(), process_time()
        seconds = extract(utterances, engine, Path(folder, "c.h5"), Settings()).seconds
        return (perf_counter() - began[0]) / seconds, (process_time() - began[1]) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--degrade", nargs="+", default=["robuser", "all", *SINGLE])
    parser.add_argument("--noise", type=Path)
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="untrained")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    listed = list(corpora.read(arguments.corpus).utterances)
    step = max(1, len(listed) // arguments.files)
    clean = listed[::step][: arguments.files]
    engine = open_engine(arguments.model, Request(), arguments.device)
    cost(clean, engine)  # the engine warms up
    print("condition          utterances    clean  degraded     adds  adds CPU")
    for spec in arguments.degrade:
        of_specs = conditions([spec], listed, arguments.noise)
        by_id = {u.id: [of[n] for of in of_specs] for n, u in enumerate(listed)}
        degraded = [one for u in clean for one in (u, *map(u.degraded, by_id[u.id]))]
        copies = [
            replace(u, id=f"{u.id}-{number}") for u in clean for number in range(len(of_specs) + 1)
        ]
        pairs = []
        for number in range(arguments.rounds):
            order = (copies, degraded) if number % 2 == 0 else (degraded, copies)
            pair = [cost(one, engine) for one in order]
            pairs.append(pair if number % 2 == 0 else pair[::-1])
        rates = [1 / median(side[0] for side in sides) for sides in zip(*pairs, strict=True)]
        added = [median(b[kind] / a[kind] - 1 for a, b in pairs) for kind in (0, 1)]
        print(f"{spec:18} {len(degraded):10} {rates[0]:7.1f}× {rates[1]:8.1f}×  {added[0]:+7.1%}  "
              f"{added[1]:+8.1%}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
