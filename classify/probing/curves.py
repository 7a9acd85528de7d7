"""Held-out predictions of a probe on every layer."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from classify.evaluation.folds import Rows, inner_folds
from classify.features import Matrix
from classify.heads import imported, naming
from classify.heads.linear.batched import DEFAULT_C, Problems, predictions
from classify.probing.layers import FoldedMatrix
from classify.probing.targets import Task
from classify.stats.metrics import Counts, confusions, uar
from data.text import escaped

log = logging.getLogger("wav2emo")

CANDIDATES = 7  # values of C

Layer = int | str | None  # str: the mean of some; None: a baseline, which has no layers
Remove = Callable[[Matrix, npt.NDArray[np.bool_]], Matrix]


def candidates(head: str) -> npt.NDArray[np.float64]:
    """(candidate,) seven values of C, evenly apart over four decades about the head's own; one
    without meaning of an imported head, which keeps its own parameters."""
    if head not in DEFAULT_C:
        return np.ones(1)
    return DEFAULT_C[head] * np.logspace(-2, 2, CANDIDATES)


@dataclass(frozen=True)
class ChoiceOfC:
    """How C and the layer are chosen without the test fold."""

    C: npt.NDArray[np.float64]  # (candidate,)
    inner: list[list[tuple[Rows, Rows]]] | None  # of each fold, parts of all rows; None: C is given
    kind: str  # of C, as text: "3 folds of speakers", "0.01"

    @classmethod
    def fixed(cls, C: float) -> "ChoiceOfC":
        """A given C."""
        return cls(np.array([C]), None, f"{C:g}")

    @classmethod
    def nested(cls, task: Task, C: npt.NDArray[np.float64], seed: int) -> "ChoiceOfC":
        """Folds of each training part, by what the outer folds are made of where that suffices."""
        inner, kinds = [], set()
        for rows, _ in task.folds.parts:
            parts, kind = inner_folds(task.y[rows], task.groups[rows], task.grouped_by, seed)
            inner.append([(rows[train], rows[test]) for train, test in parts])
            kinds.add(kind)
        return cls(C, inner, " or ".join(sorted(kinds)) if len(C) > 1 else f"{C[0]:g}")


@dataclass(frozen=True)
class Curve:
    """Predictions of probes on every layer."""

    task: Task
    layers: tuple[Layer, ...]
    pooling: str
    predictions: npt.NDArray[np.intp]  # (layer, utterance)
    C: npt.NDArray[np.float64]  # (layer, fold)
    inner: npt.NDArray[np.float64] | None  # (layer, fold) UAR in the training part by the C chosen

    @cached_property
    def counts(self) -> Counts:
        """(speaker, layer, truth, prediction) confusion matrices."""
        return counts_by(self.task, self.predictions)


def counts_by(task: Task, predictions: npt.NDArray[np.intp]) -> Counts:
    """(speaker, layer, truth, prediction) confusion matrices of predictions (layer, utterance)."""
    tested, speakers = task.tested, task.tested_speakers[1]
    return confusions(task.y[tested], predictions[:, tested], speakers, len(task.classes))


def curve(
    task: Task,
    layers: Iterable[tuple[Layer, Matrix | FoldedMatrix]],
    head: str,
    choice: ChoiceOfC,
    pooling: str,
    remove: Remove | None = None,
) -> Curve:
    """Probe each of `layers`, given with its features (utterance, dim).

    Args:
        task: classes and folds.
        layers: number and features of each; with an encoder per fold those of each fold.
        head: logreg, ridge or lda.
        choice: of C.
        pooling: description of the features.
        remove: maps features and a training part (utterance,) to features in which something that
            was learned from that part is missing.
    """
    numbers, found = [], []
    quiet = True if not log.isEnabledFor(logging.INFO) else None  # None: only on a terminal
    for number, X in tqdm(layers, escaped(f"{task.target}, {pooling}"), disable=quiet, leave=False):
        numbers.append(number)
        with naming(head, layer_name(number, pooling)):
            found.append(_held_out(task, X, head, choice, remove))
    predictions, C, inner = zip(*found, strict=True)
    scores = None if choice.inner is None else np.stack(inner)
    return Curve(task, tuple(numbers), pooling, np.stack(predictions), np.stack(C), scores)


def layer_name(layer: Layer, pooling: str) -> str:
    """Name of the features of a fit, for messages."""
    if layer is None:
        return pooling
    return f"layer {layer}" if isinstance(layer, int) else f"{layer} of the layers"


HeldOut = tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _held_out(
    task: Task,
    X: Matrix | FoldedMatrix,
    head: str,
    choice: ChoiceOfC,
    remove: Remove | None,
) -> HeldOut:
    """One layer: predictions (utterance,), C (fold,) and its UAR in the training part (fold,)."""
    train = task.train
    if remove is None and not isinstance(X, FoldedMatrix):
        return _fit(task, X, head, choice, train, np.arange(len(train)))
    parts = []
    for fold in range(len(train)):
        own = X.of[fold] if isinstance(X, FoldedMatrix) else X
        own = remove(own, train[fold]) if remove else own
        parts.append(_fit(task, own, head, choice, train[[fold]], np.array([fold])))
    predictions = np.select(
        [task.fold == fold for fold in range(len(parts))], [part[0] for part in parts]
    )
    C, inner = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    return predictions, C, inner


def _fit(
    task: Task,
    X: Matrix,
    head: str,
    choice: ChoiceOfC,
    train: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.intp],
) -> HeldOut:
    """Choose C in each of some folds and predict; values of other folds have no meaning."""
    if choice.inner is None:
        C, scores = np.repeat(choice.C, len(folds)), np.full(len(folds), np.nan)
    else:
        parts = [(place, part) for place, fold in enumerate(folds) for part in choice.inner[fold]]
        by_C = _inner_uar(task, X, head, choice.C, parts)
        best = by_C.argmax(1)  # of equal ones the smallest C, the simplest probe
        C, scores = choice.C[best], by_C[np.arange(len(folds)), best]
    given = float(choice.C[0]) if len(choice.C) == 1 else C
    predicted = predict(head, X, Problems(train, task.y, len(task.classes), given))
    position = np.searchsorted(folds, task.fold).clip(max=len(folds) - 1)
    return predicted[position, np.arange(len(task.y))], C, scores


def _inner_uar(
    task: Task,
    X: Matrix,
    head: str,
    candidates: npt.NDArray[np.float64],
    parts: Sequence[tuple[int, tuple[Rows, Rows]]],
) -> npt.NDArray[np.float64]:
    """(fold, candidate) UAR over the inner folds, `parts`, each with the fold that it is of."""
    train = np.zeros((len(parts), len(candidates), len(task.y)), bool)
    for number, (_, (rows, _)) in enumerate(parts):
        train[number, :, rows] = True
    C = np.tile(candidates, len(parts))
    problems = Problems(train.reshape(-1, len(task.y)), task.y, len(task.classes), C)
    predicted = predict(head, X, problems).reshape(len(parts), len(candidates), -1)
    classes, folds = len(task.classes), 1 + max(fold for fold, _ in parts)
    counts = np.zeros((folds, len(candidates), classes, classes), np.int64)
    for answers, (fold, (_, test)) in zip(predicted, parts, strict=True):
        for candidate, row in enumerate(answers[:, test]):
            np.add.at(counts[fold, candidate], (task.y[test], row), 1)
    return uar(counts)


def predict(head: str, X: Matrix, problems: Problems) -> npt.NDArray[np.intp]:
    """(problem, utterance) the most probable class; of one class in training, that class."""
    labels = np.broadcast_to(problems.labels, problems.train.shape)
    lowest = np.where(problems.train, labels, problems.classes).min(1)
    highest = np.where(problems.train, labels, -1).max(1)
    predicted = np.repeat(lowest[:, None], len(X), 1)
    able = np.flatnonzero(lowest < highest)
    if len(able):
        C = problems.C if np.ndim(problems.C) == 0 else problems.strengths[able]
        part = Problems(problems.train[able], labels[able], problems.classes, C)
        if head in DEFAULT_C:
            predicted[able] = predictions(head, X, part)
        else:
            predicted[able] = imported.log_probabilities(head, X, part).argmax(2)
    return predicted
