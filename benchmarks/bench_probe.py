"""Fit all folds, layers and C at once, compared with scikit-learn.

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
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.dataset import of_corpora
from classify.evaluation.folds import INNER
from classify.heads.linear.batched import DEFAULT_C, Problems, predictions
from classify.probing.curves import ChoiceOfC, candidates, curve
from classify.probing.layers import ALL
from classify.probing.options import ProbeOptions
from classify.probing.targets import tasks
from data import Cache

C = DEFAULT_C["logreg"]
ROUNDS = 3
SHUFFLES = 1_000
SHUFFLED_LAYER = 6
NESTED_LAYERS = 1  # of the slow comparison; a whole cache would take scikit-learn half an hour


class Study:
    """Emotion in one corpus of a cache: features (layer, utterance, dim), and the probe's folds."""

    def __init__(self, cache: Path, corpus: str) -> None:
        options = ProbeOptions(cache=cache, corpora=(corpus,), targets=("emotion",))
        with Cache(cache) as opened:
            table = of_corpora(opened.utterances, options.selection("emotion"))
            self.task = tasks(table, options)[0][0]
            self.X = opened.embeddings("mean")[:, self.task.selection.rows]
        self.corpus = corpus
        self.y = self.task.y
        self.nested = ChoiceOfC.nested(self.task, candidates("logreg"), options.seed)

    def layers(self, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """Number and features of the first layers."""
        return enumerate(self.X[:count])


def sklearn_one_c(study: Study, layers: int) -> np.ndarray:
    """(layer, utterance) predictions, one layer after the other."""
    head = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    folds = study.task.folds.parts
    return np.array(
        [cross_val_predict(head, X, study.y, cv=folds, n_jobs=-1) for _, X in study.layers(layers)]
    )


def sklearn_nested(study: Study, layers: int) -> np.ndarray:
    """(layer, utterance) predictions with C chosen inside of each training part."""
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": study.nested.C}
    found = np.empty((layers, len(study.y)), np.intp)
    for layer, X in study.layers(layers):
        for (train, test), inner in zip(study.task.folds.parts, study.nested.inner, strict=True):
            cv = [(np.searchsorted(train, a), np.searchsorted(train, b)) for a, b in inner]
            search = GridSearchCV(head, grid, scoring="balanced_accuracy", cv=cv, n_jobs=-1)
            found[layer, test] = search.fit(X[train], study.y[train]).predict(X[test])
    return found


def ours(study: Study, layers: int, choice: ChoiceOfC) -> np.ndarray:
    """The same as the probe does it."""
    read = ((layer, [(ALL, X)]) for layer, X in study.layers(layers))
    return curve(study.task, read, "logreg", choice, "mean").predictions


def shuffled(study: Study, shuffles: int) -> None:
    """Refit all folds of a layer to shuffled labels."""
    random = np.random.default_rng(0)
    labels = np.array([random.permutation(study.y) for _ in range(shuffles)])
    train, classes = study.task.folds.train, len(study.task.classes)
    problems = Problems(np.tile(train, (shuffles, 1)), labels.repeat(len(train), 0), classes, C)
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
    times, outputs = [], []
    for _ in range(rounds + 1):
        for call in (baseline, ours):
            began = time.perf_counter()
            outputs.append(call())
            times.append(time.perf_counter() - began)
    pairs = list(zip(times[::2], times[1::2], strict=True))
    times = pairs[1:] or pairs  # the first is to warm up
    same = float((outputs[0] == outputs[1]).mean())
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    return {"job": job, "baseline_s": slow, "ours_s": fast, "ratio": ratio, "same": same}


def alone(job: str, call: Callable[[], None], rounds: int) -> dict[str, object]:
    """Median seconds of a job that has no baseline."""
    return {"job": job, "ours_s": statistics.median(seconds(call) for _ in range(rounds))}


def measure(arguments: argparse.Namespace, study: Study) -> Iterator[dict[str, object]]:
    """The rows of one corpus."""
    layers, count = len(study.X), arguments.nested_layers
    name, rounds = study.corpus, arguments.rounds
    yield compare(
        f"{name}, {layers} layers × {len(study.task.folds)} speakers left out, C = {C:g}",
        lambda: sklearn_one_c(study, layers),
        lambda: ours(study, layers, ChoiceOfC.fixed(C)),
        rounds,
    )
    yield compare(
        f"{name}, {count} layer(s), C from {len(study.nested.C)} by {INNER} inner folds",
        lambda: sklearn_nested(study, count),
        lambda: ours(study, count, study.nested),
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
