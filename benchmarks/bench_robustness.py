"""A robustness study on every layer, compared with scikit-learn fit by fit.

    python benchmarks/bench_robustness.py [--rounds 1] [--layers 13] [--conditions 20]

The cache is made here: random numbers with class and speaker structure, of the shape of the first
12 actors of RAVDESS (720 utterances, 8 classes) in 20 conditions on 13 layers of 768 numbers; the
time does not depend on what they mean. Both sides fit a logistic regression to the clean training
speakers of each fold (and of its inner folds, which choose the layer) on every layer, on all
cores, and predict all conditions of the test speakers; see `one_by_one.py`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from joblib import cpu_count
from one_by_one import compare

from classify.conditions import Copies, clean_table
from classify.dataset import select, sound
from classify.evaluation.division import divide
from classify.features import Features
from classify.robustness.design import Design
from classify.robustness.options import RobustnessOptions
from classify.studies.fits import linear
from data.cache.writer import write_cache

SPEAKERS, SENTENCES, DIM = 12, 60, 768
EMOTIONS = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]


def make_cache(path: Path, layers: int, conditions: int) -> None:
    """Write a cache of random numbers with class and speaker structure."""
    random = np.random.default_rng(0)
    count = SPEAKERS * SENTENCES
    speaker, emotion = np.arange(count) // SENTENCES, np.arange(count) % len(EMOTIONS)
    names = ["", *(f"noise:{number}" for number in range(conditions))]
    of_class = 0.2 * random.standard_normal((layers, len(EMOTIONS), DIM), np.float32)
    of_speaker = 0.5 * random.standard_normal((layers, SPEAKERS, DIM), np.float32)
    clean = of_class[:, emotion] + of_speaker[:, speaker]
    clean += random.standard_normal(clean.shape, np.float32)
    values = np.tile(clean, (1, len(names), 1))
    for number in range(1, len(names)):
        rows = slice(number * count, (number + 1) * count)
        noise = random.standard_normal(clean.shape, np.float32)
        values[:, rows] += noise * np.float32(number / conditions)
    ids = [f"ravdess/{row:04}" for row in range(count)]
    columns = {
        "id": [f"~{name}/{one}" if name else one for name in names for one in ids],
        "corpus": ["ravdess"] * len(names) * count,
        "path": [f"{one}.wav" for one in ids] * len(names),
        "speaker": [f"{one:02}" for one in speaker] * len(names),
        "emotion": [EMOTIONS[one] for one in emotion] * len(names),
        "start": [np.nan] * len(names) * count,
        "end": [np.nan] * len(names) * count,
        "duration": [3.7] * len(names) * count,
        "sha256": [f"{row:064x}" for row in range(count)] * len(names),
        "condition": [name for name in names for _ in ids],
        "condition_digest": ["00" if name else "" for name in names for _ in ids],
        "achieved": [np.nan] * len(names) * count,
    }
    recipe = {"model": "random numbers", "control": True, "layers": [*range(layers)],
              "pooling": ["mean"], "sampling_rate": 16_000, "engine": "torch",
              "precision": "float32"}  # fmt: skip
    write_cache(path, recipe, columns, {"mean": values})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--layers", type=int, default=13)
    parser.add_argument("--conditions", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache.h5"
        make_cache(path, args.layers, args.conditions)
        options = RobustnessOptions(path).of("logreg")
        with sound(path, degraded=True) as cache:
            selection, folds = divide(select(clean_table(cache), options), options)
            copies = Copies.of(selection, cache, cache.conditions)
            design = Design(copies, folds, cache.conditions, seed=0)
            parts = [*design.parts(), *design.inner()[1]]
            layers = [
                Features(layer, (layer,), cache.poolings).of_cache(cache, copies.everything.rows)
                for layer in cache.layers
            ]
        print(
            f"{len(selection.y)} utterances × {args.conditions} conditions, {len(layers)} layers: "
            f"{len(layers) * len(parts)} fits, {cpu_count()} cores"
        )

        def ours(X: np.ndarray) -> np.ndarray:
            outputs = linear("logreg", None, X, copies.y, len(selection.classes), parts)
            return np.concatenate([output.argmax(1) for output in outputs])

        compare(layers, copies.y, parts, ours, ["robustness", "--cache", path], args.rounds)


if __name__ == "__main__":
    main()
