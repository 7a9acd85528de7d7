"""Linear heads on every layer, compared with scikit-learn fit by fit, and the whole command.

`bench_transfer.py` and `bench_robustness.py` share this. scikit-learn fits
``make_pipeline(StandardScaler(), LogisticRegression(C))`` one by one in as many processes as there
are cores, as scripts do.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from classify.evaluation.crossvalidate import Parts
from classify.heads.linear.batched import DEFAULT_C


def fit_one_by_one(layers: Sequence[np.ndarray], y: np.ndarray, parts: Parts) -> np.ndarray:
    """Predictions of every layer and part by scikit-learn, joined."""

    def fit(X: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            head = LogisticRegression(C=DEFAULT_C["logreg"], max_iter=10_000)
            return make_pipeline(StandardScaler(), head).fit(X[train], y[train]).predict(X[test])

    work = [(X, *part) for X in layers for part in parts]
    return np.concatenate(Parallel(cpu_count())(delayed(fit)(*each) for each in work))


def compare(
    layers: Sequence[np.ndarray],
    y: np.ndarray,
    parts: Parts,
    ours: Callable[[np.ndarray], np.ndarray],
    command: Sequence[object],
    rounds: int,
) -> None:
    """Time both ways and a whole command, and print a table and how many predictions agree.

    Args:
        layers: (utterance, dim) features of each layer.
        y: (utterance,) class numbers.
        parts: utterances to train on, and to test.
        ours: the predictions of all parts on one layer by this package, joined.
        command: arguments of ``python -m classify``, with start, statistics, figures and page.
        rounds: how often both ways are timed.
    """
    ways: dict[str, Callable[[], np.ndarray]] = {
        "scikit-learn, fit by fit": lambda: fit_one_by_one(layers, y, parts),
        "ours": lambda: np.concatenate([ours(X) for X in layers]),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        answers = []
        for name, run in ways.items():
            began = time.perf_counter()
            answers.append(run())
            times[name].append(time.perf_counter() - began)
    ratio = float(np.median(np.divide(*times.values())))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        whole = [sys.executable, "-m", "classify", *command, "-q", "--out", Path(folder) / "run"]
        subprocess.run(list(map(str, whole)), check=True, capture_output=True)
    seconds = time.perf_counter() - began
    print("| | s | ÷ scikit-learn |\n| --- | --- | --- |")
    for name, taken in times.items():
        print(f"| {name} | {min(taken):.1f} | {ratio if name == 'ours' else 1:.1f} |")
    print(f"| whole command `classify {command[0]}` | {seconds:.1f} | |")
    print(f"\npredictions that agree: {np.equal(*answers).mean():.2%} of {len(answers[0])}")
