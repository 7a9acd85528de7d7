"""Memory and time by the size of the corpus.

    python growth.py extract COUNT    peak memory of an extraction of COUNT utterances
    python growth.py pack COUNT       … of packing shards of COUNT utterances × 13 layers × 64
    python growth.py time             seconds to add, resume and pack 1k, 10k and 100k utterances

Each prints one line of JSON.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from standin import StandIn, peak_megabytes
from storm import EXTRACTOR, make_corpus

from data.cache.columns import from_utterances
from data.cache.shards import Shards
from data.utterance import Utterance

SHARD = 512


def extraction(count: int) -> dict[str, float]:
    """Peak memory of the extractor's process, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder) / "corpus", count)
        command = [sys.executable, str(EXTRACTOR), f"{folder}/corpus", "-o", f"{folder}/c.h5",
                   "--layers", "13", "--dim", "64"]  # fmt: skip
        began = time.monotonic()
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        seconds = time.monotonic() - began
    return {"utterances": count, "megabytes": float(out.split()[3]), "seconds": seconds}


def publish(
    parts: Shards, recipe: dict, count: int, layers: int, dim: int, window: int | None = None
) -> None:
    """Shards of `count` utterances, shuffled within windows of so many (None: all of them).

    `extract` sorts its windows by length; shards all over the corpus come from job arrays.
    """
    random = np.random.default_rng(0)
    place = np.arange(count) // (window or count) + random.uniform(0, 1, count)
    order = np.argsort(place)
    values = {"mean": np.zeros((layers, SHARD, dim), np.float32)}
    for start in range(0, count, SHARD):
        numbers = order[start : start + SHARD]
        listed = [
            Utterance(f"c/{n:07}", "c", Path(), f"{n:07}.wav", f"s{n % 100}", "anger")
            for n in numbers
        ]
        rows = from_utterances(listed, [1.0] * len(listed), [f"{n:064x}" for n in numbers])
        values["mean"][:, : len(listed)] = numbers[:, None]
        part = {"mean": values["mean"][:, : len(listed)]}
        parts.publish(recipe, rows, part, None, {})


def packing(count: int) -> dict[str, float]:
    """Peak memory of this process while it packs, in MB, beside that before it began."""
    recipe = StandIn(layers=13, baselines={}).recipe
    with tempfile.TemporaryDirectory(dir=".") as folder:
        parts = Shards(Path(folder) / "c.h5")
        parts.claim(recipe)
        publish(parts, recipe, count, 13, 64, window=4 * SHARD)
        before = peak_megabytes()
        began = time.monotonic()
        parts.pack()
        seconds = time.monotonic() - began
        size = parts.cache.stat().st_size / 1e6
        parts.clean()
    return {
        "utterances": count,
        "before": before,
        "megabytes": peak_megabytes(),
        "seconds": seconds,
        "file_megabytes": size,
    }


def times(counts: tuple[int, ...] = (1_000, 10_000, 100_000)) -> dict[str, object]:
    """Seconds to publish, to look up what is known, and to pack; and the fitted exponents."""
    recipe = StandIn(baselines={}).recipe
    took: dict[str, list[float]] = {"add": [], "resume": [], "pack": []}
    for count in counts:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            parts = Shards(Path(folder) / "c.h5")
            parts.claim(recipe)
            steps = {
                "add": lambda p=parts, n=count: publish(p, recipe, n, 3, 8),
                "resume": parts.known,
                "pack": parts.pack,
            }
            for name, step in steps.items():
                began = time.monotonic()
                step()
                took[name].append(time.monotonic() - began)
            parts.clean()
    size = np.log(counts)
    exponents = {name: float(np.polyfit(size, np.log(t), 1)[0]) for name, t in took.items()}
    return {"utterances": counts, "seconds": took, "exponents": exponents}


if __name__ == "__main__":
    kind, *count = sys.argv[1:]
    run = {"extract": extraction, "pack": packing, "time": times}[kind]
    print(json.dumps(run(*map(int, count))))
