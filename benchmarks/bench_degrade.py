"""What degrading costs of an extraction.

    python benchmarks/bench_degrade.py emodb [--degrade robuser noise:20 opus:16] [--files 24]

The same encoder (wav2vec2-base, random weights) embeds recordings in a condition, and the same
number of clean copies, from files on disk to the packed cache, one after the other in each round,
so that a machine's moods meet both. A set of conditions is embedded as a whole. The clean
utterances are part of both sides. Prints one row for each: seconds of audio embedded per second of
both sides, and the median over the rounds of the share of time that degrading adds.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

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


def rate(utterances: list[Utterance], engine) -> float:
    """Seconds of audio embedded per second."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        summary = extract(utterances, engine, Path(folder, "c.h5"), Settings())
        return summary.seconds / (perf_counter() - began)


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
    rate(clean, engine)  # the engine warms up
    print(f"{'condition':18} {'utterances':>10} {'clean':>8} {'degraded':>8}  degrading adds")
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
            pair = [rate(one, engine) for one in order]
            pairs.append(pair if number % 2 == 0 else pair[::-1])
        without, within = (median(column) for column in zip(*pairs, strict=True))
        added = median(a / b - 1 for a, b in pairs)
        print(f"{spec:18} {len(degraded):10} {without:7.1f}× {within:7.1f}×  {added:+7.1%}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
