"""Open a cache and read one layer, compared with NumPy's memory map of the same bytes.

    python benchmarks/bench_cache.py

Both copy the layer into memory; the files are in the page cache. Prints medians and their ratio.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data import Cache
from data.cache.writer import write_cache

UTTERANCES, LAYERS, DIM = 6_000, 13, 768
LAYER = 6
ROUNDS = 31


def make(folder: Path) -> None:
    """A cache and an .npy file of the same numbers."""
    ids = [f"c/{number:05}" for number in range(UTTERANCES)]
    text = dict.fromkeys(("corpus", "speaker", "emotion"), ["x"] * UTTERANCES)
    columns = {"id": ids, "path": ids, "sha256": ["0" * 64] * UTTERANCES} | text
    columns |= dict.fromkeys(("start", "end"), [None] * UTTERANCES)
    columns |= dict.fromkeys(("duration", "age"), [1.0] * UTTERANCES)
    random = np.random.default_rng(0)
    values = random.standard_normal((LAYERS, UTTERANCES, DIM), dtype=np.float32)
    recipe = {"model": "none", "layers": list(range(LAYERS)), "pooling": ["mean"]}
    write_cache(folder / "c.h5", recipe, columns, {"mean": values})
    np.save(folder / "c.npy", values)


def seconds(call: Callable[[], np.ndarray]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(folder: Path) -> dict[str, float]:
    """Median milliseconds of both, taken in turns, and their ratio."""
    calls = {
        "numpy_ms": lambda: np.array(np.load(folder / "c.npy", mmap_mode="r")[LAYER]),
        "cache_ms": lambda: Cache(folder / "c.h5").layer(LAYER),
    }
    np.testing.assert_array_equal(*(call() for call in calls.values()))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            times[name].append(1000 * seconds(call))
    found = {name: statistics.median(values) for name, values in times.items()}
    return found | {"ratio": found["cache_ms"] / found["numpy_ms"]}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        json.dump(compare(Path(folder)), sys.stdout)
        print()
