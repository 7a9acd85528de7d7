"""Fit all folds, layers and C at once, against scikit-learn fitting one after the other.

    python benchmarks/bench_probe.py --cache embeddings.h5 --corpus emodb --corpus ravdess

Both sides get the same features in memory and are warm: scikit-learn's processes have started. They
are timed in turns, so that they share what else the machine does; the median counts. Predictions of
both are compared. Prints one table; ``--json FILE`` writes the same numbers.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.heads.batched import DEFAULT_C, Problems, predictions
from data import Cache

C = DEFAULT_C["logreg"]
GRID = C * np.logspace(-2, 2, 7)  # that of the probe
INNER = 3  # folds by speaker that choose C
ROUNDS = 3
SHUFFLES = 1_000
SHUFFLED_LAYER = 6
NESTED_LAYERS = 1  # of the slow comparison; a whole cache would take scikit-learn half an hour


class Study:
    """One corpus of a cache: features (layer, utterance, dim), classes, speakers, folds."""

    def __init__(self, cache: Path, corpus: str) -> None:
        with Cache(cache) as opened:
            rows = np.flatnonzero(opened.utterances["corpus"] == corpus)
            table = opened.utterances.iloc[rows]
            self.X = opened.embeddings("mean")[:, rows]
        if not len(rows):
            sys.exit(f"{cache} has no corpus {corpus}")
        self.corpus = corpus
        self.y = np.unique(table["emotion"].astype(str), return_inverse=True)[1]
        self.speakers = np.unique(table["speaker"].astype(str), return_inverse=True)[1]
        self.train = self.speakers != np.arange(self.speakers.max() + 1)[:, None]
        self.classes = int(self.y.max()) + 1

    def held_out(self, said: np.ndarray) -> np.ndarray:
        """(utterance,) of predictions (fold, utterance), that of the fold it is tested in."""
        return said[self.speakers, np.arange(len(self.y))]


def sklearn_one_c(study: Study, layers: int) -> np.ndarray:
    """(layer, utterance) predictions, one layer after the other."""
    head = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    folds = {"groups": study.speakers, "cv": LeaveOneGroupOut(), "n_jobs": -1}
    return np.array([cross_val_predict(head, X, study.y, **folds) for X in study.X[:layers]])


def ours_one_c(study: Study, layers: int) -> np.ndarray:
    """The same by the batch."""
    problems = Problems(study.train, study.y, study.classes, C)
    return np.array([study.held_out(predictions("logreg", X, problems)) for X in study.X[:layers]])


def sklearn_nested(study: Study, layers: int) -> np.ndarray:
    """(layer, utterance) predictions with C chosen inside of each training part."""
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    search = GridSearchCV(
        head,
        {"logisticregression__C": GRID},
        scoring="balanced_accuracy",
        cv=GroupKFold(INNER),
        n_jobs=-1,
    )
    found = np.empty((layers, len(study.y)), np.intp)
    for said, X in zip(found, study.X, strict=False):
        for train in study.train:
            search.fit(X[train], study.y[train], groups=study.speakers[train])
            said[~train] = search.predict(X[~train])
    return found


def ours_nested(study: Study, layers: int) -> np.ndarray:
    """The same by the batch: all folds, inner folds and C, then a refit of all folds."""
    inner = np.zeros((len(study.train), INNER, len(study.y)), bool)
    for parts, train in zip(inner, study.train, strict=True):
        rows = np.flatnonzero(train)
        split = GroupKFold(INNER).split(rows, groups=study.speakers[rows])
        for part, (known, _) in zip(parts, split, strict=True):
            part[rows[known]] = True
    masks = inner.repeat(len(GRID), 0).reshape(len(inner), len(GRID), INNER, -1)
    every = Problems(
        masks.reshape(-1, len(study.y)),
        study.y,
        study.classes,
        np.tile(GRID.repeat(INNER), len(inner)),
    )
    found = []
    for X in study.X[:layers]:
        said = predictions("logreg", X, every).reshape(masks.shape)
        scores = np.array(
            [
                [
                    np.mean(
                        [
                            balanced_accuracy_score(study.y[test], answer[test])
                            for answer, test in zip(by_part, train & ~parts, strict=True)
                        ]
                    )
                    for by_part in by_c
                ]
                for by_c, parts, train in zip(said, inner, study.train, strict=True)
            ]
        )
        best = GRID[scores.argmax(1)]
        problems = Problems(study.train, study.y, study.classes, best)
        found.append(study.held_out(predictions("logreg", X, problems)))
    return np.array(found)


def shuffled(study: Study, shuffles: int) -> None:
    """Refit all folds of a layer to shuffled labels."""
    random = np.random.default_rng(0)
    labels = np.array([random.permutation(study.y) for _ in range(shuffles)])
    folds = len(study.train)
    problems = Problems(
        np.tile(study.train, (shuffles, 1)), labels.repeat(folds, 0), study.classes, C
    )
    predictions("logreg", study.X[SHUFFLED_LAYER], problems)


def quick(cache: Path, corpus: str) -> None:
    """The whole command, its start and its reports included."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "classify", "probe", "--quick", "-q", "--cache", str(cache)]
        out = ["--corpus", corpus, "--out", str(Path(folder) / "run")]
        subprocess.run([sys.executable, *command, *out], check=True, stdout=subprocess.DEVNULL)


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(
    job: str, baseline: Callable[[], np.ndarray], ours: Callable[[], np.ndarray], rounds: int
) -> dict[str, object]:
    """Median seconds of both, taken in turns, and how often they predict the same.

    A round more is to warm up; with none, that one counts.
    """
    times, said = [], []
    for _ in range(rounds + 1):
        for call in (baseline, ours):
            began = time.perf_counter()
            said.append(call())
            times.append(time.perf_counter() - began)
    pairs = list(zip(times[::2], times[1::2], strict=True))
    times = pairs[1:] or pairs  # the first is to warm up
    same = float((said[0] == said[1]).mean())
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    return {"job": job, "baseline_s": slow, "ours_s": fast, "ratio": ratio, "same": same}


def alone(job: str, call: Callable[[], None], rounds: int) -> dict[str, object]:
    """Median seconds of a job that has no baseline."""
    return {"job": job, "ours_s": statistics.median(seconds(call) for _ in range(rounds))}


def measure(arguments: argparse.Namespace, study: Study) -> Iterator[dict[str, object]]:
    """The rows of one corpus."""
    layers, some = len(study.X), arguments.nested_layers
    name, rounds = study.corpus, arguments.rounds
    yield compare(
        f"{name}, {layers} layers × {len(study.train)} speakers left out, C = {C:g}",
        lambda: sklearn_one_c(study, layers),
        lambda: ours_one_c(study, layers),
        rounds,
    )
    yield compare(
        f"{name}, {some} layer(s), C from {len(GRID)} by {INNER} inner folds",
        lambda: sklearn_nested(study, some),
        lambda: ours_nested(study, some),
        0,
    )
    yield alone(
        f"{name}, layer {SHUFFLED_LAYER}, all folds, {arguments.shuffles} shuffles",
        lambda: shuffled(study, arguments.shuffles),
        1,
    )
    yield alone(
        f"{name}, probe --quick, the whole command",
        lambda: quick(arguments.cache, name),
        rounds,
    )


def show(row: dict[str, object]) -> None:
    """One line of the table."""
    cells = [f"{row['job']:62}"]
    for key, form in (("baseline_s", "8.2f"), ("ours_s", "8.2f"), ("ratio", "7.1f")):
        cells.append(format(row[key], form) if key in row else " " * int(form[0]))
    cells.append(f"{row['same']:8.2%}" if "same" in row else "")
    print(" ".join(cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--corpus", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--shuffles", type=int, default=SHUFFLES)
    parser.add_argument("--nested-layers", type=int, default=NESTED_LAYERS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{'':62} {'sklearn':>8} {'here':>8} {'ratio':>7} {'same':>8}")
    rows = []
    for corpus in arguments.corpus:
        for row in measure(arguments, Study(arguments.cache, corpus)):
            show(row)
            rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
