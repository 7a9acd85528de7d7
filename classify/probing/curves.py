"""Held-out predictions of a probe on every layer."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from classify.evaluation.folds import Parts, inner_uar, masks, nested_folds
from classify.features import Matrix
from classify.heads import imported, naming
from classify.heads.linear.batched import DEFAULT_C, Problems, predictions
from classify.probing.layers import FoldFeatures, Layer
from classify.probing.result import FoldChoice, LayerScores, NestedScores
from classify.probing.targets import Task
from classify.stats.metrics import Counts, confusions
from classify.stats.scores import Scores
from data.text import escaped

log = logging.getLogger("wav2emo")

CANDIDATES = 7  # values of C


def candidates(head: str) -> npt.NDArray[np.float64]:
    """(candidate,) seven values of C, evenly apart over four decades about the head's own; one
    without meaning of an imported head, which keeps its own parameters."""
    if head not in DEFAULT_C:
        return np.ones(1)
    return DEFAULT_C[head] * np.logspace(-2, 2, CANDIDATES)


@dataclass(frozen=True)
class ChoiceOfC:
    """The choice of C and layer without the test fold."""

    C: npt.NDArray[np.float64]  # (candidate,)
    inner: list[Parts] | None  # of each training part; None: C is given
    kind: str  # of C, as text: "3 folds of speakers", "0.01"

    @classmethod
    def fixed(cls, C: float) -> "ChoiceOfC":
        """A given C."""
        return cls(np.array([C]), None, f"{C:g}")

    @classmethod
    def nested(cls, task: Task, C: npt.NDArray[np.float64], seed: int) -> "ChoiceOfC":
        """Folds of each training part, by what the outer folds are made of where that suffices."""
        inner, kind = nested_folds(task.folds, task.y, task.groups, task.grouped_by, seed)
        return cls(C, inner, kind if len(C) > 1 else f"{C[0]:g}")


@dataclass(frozen=True)
class Curve:
    """Predictions of probes on every layer."""

    task: Task
    layers: tuple[Layer, ...]
    pooling: str
    predictions: npt.NDArray[np.intp]  # (layer, utterance)
    C: npt.NDArray[np.float64]  # (layer, fold)
    inner: npt.NDArray[np.float64]  # (layer, fold) UAR in the training part by the C chosen; or NaN

    @cached_property
    def counts(self) -> Counts:
        """(speaker, layer, truth, prediction) confusion matrices."""
        return counts_by(self.task, self.predictions)

    @cached_property
    def scores(self) -> list[LayerScores]:
        """Of each layer."""
        rows = zip(self.layers, self.C.tolist(), _scores(self.task, self.counts), strict=True)
        return [
            LayerScores(*scores, layer if isinstance(layer, int) else None, C)
            for layer, C, scores in rows
        ]

    @property
    def chosen(self) -> npt.NDArray[np.intp]:
        """(fold,) place of the layer that each training part chooses: that of the highest UAR by
        its own C, the lowest of equal ones.

        The score of the best layer on the test parts is too high, especially with many layers and
        few utterances (Cawley and Talbot 2010, On Over-fitting in Model Selection, section 5).
        Nested cross-validation scores the choice of each training part on utterances that did not
        influence it.
        """
        if np.isnan(self.inner).any():
            raise ValueError("a curve of one C and no inner folds: there is nothing to choose by")
        return self.inner.argmax(0)

    @property
    def nested(self) -> npt.NDArray[np.intp]:
        """(utterance,) predictions by the layer and C that each training part chooses."""
        fold = self.task.folds.fold
        return self.predictions[self.chosen[fold], np.arange(len(fold))]

    def nested_scores(self, best_on_test: float) -> NestedScores:
        """The scores of `nested`, beside that of the layer best on test."""
        (scores,) = _scores(self.task, counts_by(self.task, self.nested[None]))
        folds = [
            FoldChoice(fold, int(self.layers[place]), float(self.C[place, fold]))
            for fold, place in enumerate(self.chosen)
        ]
        return NestedScores(*scores, best_on_test, folds)


def counts_by(task: Task, predictions: npt.NDArray[np.intp]) -> Counts:
    """(speaker, layer, truth, prediction) confusion matrices of predictions (layer, utterance)."""
    tested, speakers = task.folds.tested, task.tested_speakers[1]
    return confusions(task.y[tested], predictions[:, tested], speakers, len(task.classes))


def _scores(task: Task, counts: Counts) -> list[tuple[Scores, dict[str, Scores]]]:
    """Of counts (speaker, layer, truth, prediction), and by speaker. Where the speaker is
    predicted, intervals are over the classes."""
    overall = Scores.of_each(counts, task.classes, over_classes=task.target == "speaker")
    speakers = list(map(str, task.tested_speakers[0]))
    return [
        (
            scores,
            {
                speaker: Scores.without_intervals(own, task.classes)
                for speaker, own in zip(speakers, of_layer, strict=True)
            },
        )
        for scores, of_layer in zip(overall, counts.swapaxes(0, 1), strict=True)
    ]


def curve(
    task: Task,
    layers: Iterable[tuple[Layer, FoldFeatures]],
    head: str,
    choice: ChoiceOfC,
    pooling: str,
) -> Curve:
    """Probe each of `layers`.

    Args:
        task: classes and folds.
        layers: number of each, and its features with the folds that read them.
        head: logreg, ridge or lda, or an imported one.
        choice: of C.
        pooling: description of the features.
    """
    numbers, found = [], []
    quiet = True if not log.isEnabledFor(logging.INFO) else None  # None: only on a terminal
    for number, read in tqdm(
        layers, escaped(f"{task.target}, {pooling}"), disable=quiet, leave=False
    ):
        numbers.append(number)
        with naming(head, layer_name(number, pooling)):
            found.append(_held_out(task, read, head, choice))
    return Curve(task, tuple(numbers), pooling, *map(np.stack, zip(*found, strict=True)))


def layer_name(layer: Layer, pooling: str) -> str:
    """Name of the features of a fit, for messages."""
    if layer is None:
        return pooling
    return f"layer {layer}" if isinstance(layer, int) else f"{layer} of the layers"


def _held_out(
    task: Task, read: FoldFeatures, head: str, choice: ChoiceOfC
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One layer: predictions (utterance,), C (fold,) and its UAR in the training part (fold,)."""
    train, classes = task.folds.train, len(task.classes)
    predicted = np.empty(train.shape, np.intp)  # (fold, utterance)
    C, inner = np.full(len(train), choice.C[0]), np.full(len(train), np.nan)
    for folds, X in read:
        if choice.inner is not None:
            by_C = _inner_uar(task, X, head, choice.C, choice.inner[folds])
            best = by_C.argmax(1)  # of equal ones the smallest C, the simplest probe
            C[folds], inner[folds] = choice.C[best], by_C.max(1)
        given = float(choice.C[0]) if len(choice.C) == 1 else C[folds]
        predicted[folds] = predict(head, X, Problems(train[folds], task.y, classes, given))
    return predicted[task.folds.fold, np.arange(len(task.y))], C, inner


def _inner_uar(
    task: Task, X: Matrix, head: str, candidates: npt.NDArray[np.float64], inner: list[Parts]
) -> npt.NDArray[np.float64]:
    """(fold, candidate) UAR over the inner folds of some folds."""
    parts = [part for of_fold in inner for part in of_fold]
    train = masks([rows for rows, _ in parts], len(task.y)).repeat(len(candidates), 0)
    C, classes = np.tile(candidates, len(parts)), len(task.classes)
    predicted = predict(head, X, Problems(train, task.y, classes, C))
    of_parts = zip(predicted.reshape(len(parts), len(candidates), -1), parts, strict=True)
    answers = np.concatenate([by_C[:, test] for by_C, (_, test) in of_parts], axis=1)
    return inner_uar(inner, task.y, answers, classes)


def predict(head: str, X: Matrix, problems: Problems) -> npt.NDArray[np.intp]:
    """(problem, utterance) the most probable class; of one class in training, that class."""
    present = problems.present
    predicted = np.repeat(present.argmax(0)[:, None], len(X), 1)
    able = np.flatnonzero(present.sum(0) > 1)
    if len(able):
        labels = problems.labels if problems.labels.ndim == 1 else problems.labels[able]
        C = problems.C if np.ndim(problems.C) == 0 else problems.strengths[able]
        part = Problems(problems.train[able], labels, problems.classes, C)
        if head in DEFAULT_C:
            predicted[able] = predictions(head, X, part)
        else:
            predicted[able] = imported.log_probabilities(head, X, part).argmax(2)
    return predicted
