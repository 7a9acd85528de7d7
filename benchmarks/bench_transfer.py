"""The matrix of corpora on every layer, compared with scikit-learn fit by fit.

    python benchmarks/bench_transfer.py --cache embeddings.h5 [--labels big4] [--rounds 3]

The cache holds several corpora. Both sides fit a logistic regression for every cell of the matrix
(each fold within a corpus, each pair of corpora, all others) on every layer, on all cores, and
predict the test parts. scikit-learn fits ``make_pipeline(StandardScaler(), LogisticRegression(C))``
one by one in as many processes as there are cores, as scripts do. The whole command, with start,
statistics, figures and page, is timed too. Prints one table, and how many predictions agree.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from classify.dataset import select, sound
from classify.features import Features
from classify.heads.linear.batched import DEFAULT_C
from classify.transfer import fits
from classify.transfer.cells import matrix
from classify.transfer.options import TransferOptions


def one_by_one(layers, y, cells) -> list[np.ndarray]:
    """Predictions of every layer and part by scikit-learn."""

    def fit(X: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            head = LogisticRegression(C=DEFAULT_C["logreg"], max_iter=10_000)
            return make_pipeline(StandardScaler(), head).fit(X[train], y[train]).predict(X[test])

    work = [(X, *part) for X in layers for cell in cells for part in cell.parts]
    return Parallel(cpu_count())(delayed(fit)(*each) for each in work)


def ours(layers, y, cells) -> list[np.ndarray]:
    """The same by this package, in the same order."""
    found = []
    for X in layers:
        outputs = fits.linear("logreg", None, X, y, int(y.max()) + 1, cells)
        for cell, output in zip(cells, outputs, strict=True):
            predicted = cell.classes[output.argmax(1)]
            bounds = np.cumsum([len(test) for _, test in cell.parts])[:-1]
            found += np.split(predicted, bounds)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--labels")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    options = TransferOptions((args.cache,), labels=args.labels)
    with sound(args.cache) as cache:
        selection = select(cache.utterances, options.of("logreg", args.cache))
        cells = matrix(selection, "corpus", "auto", 0).cells
        layers = [
            Features(layer, (layer,), cache.poolings).of_cache(cache, selection.rows)
            for layer in cache.layers
        ]
    count = len(layers) * sum(len(cell.parts) for cell in cells)
    print(f"{len(selection.y)} utterances, {len(cells)} cells, {len(layers)} layers: {count} fits")
    times: dict[str, list[float]] = {"scikit-learn, fit by fit": [], "ours": []}
    for _ in range(args.rounds):
        answers = []
        for name, run in zip(times, (one_by_one, ours), strict=True):
            began = time.perf_counter()
            answers.append(run(layers, selection.y, cells))
            times[name].append(time.perf_counter() - began)
    ratio = float(np.median(np.divide(*times.values())))
    same = np.concatenate(answers[0]) == np.concatenate(answers[1])
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "classify", "transfer", "--cache", args.cache, "-q",
                   "--out", Path(folder) / "run"]  # fmt: skip
        command += ["--labels", args.labels] if args.labels else []
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    whole = time.perf_counter() - began
    print("| | s | ÷ scikit-learn |\n| --- | --- | --- |")
    for name, taken in times.items():
        shown = f"{ratio:.1f}" if name == "ours" else "1.0"
        print(f"| {name} | {min(taken):.1f} | {shown} |")
    print(f"| whole command `classify transfer` | {whole:.1f} | |")
    print(f"\npredictions that agree: {same.mean():.2%} of {len(same)}")


if __name__ == "__main__":
    main()
