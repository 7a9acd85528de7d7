"""Controls of a probe: the majority class, shuffled labels, other features."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.features import Matrix
from classify.heads import naming
from classify.heads.linear.batched import Problems
from classify.probing.curves import Curve, counts_by, layer_name, predict
from classify.probing.layers import FoldedMatrix
from classify.probing.targets import Task, is_constant
from classify.stats.metrics import Values, confusion, uar


def majority(task: Task) -> npt.NDArray[np.intp]:
    """(utterance,) the most frequent class of each one's training part."""
    classes = len(task.classes)
    winners = [
        np.bincount(task.y[rows], minlength=classes).argmax() for rows, _ in task.folds.parts
    ]
    return np.array(winners)[task.fold]


@dataclass(frozen=True)
class Shuffled:
    """Scores of the same probes on labels that features cannot predict."""

    scheme: str  # as text
    scores: Values  # (layer, shuffle) UAR

    def selectivity(self, scores: Values) -> Values:
        """(layer,) UAR on the labels less the mean UAR on shuffled ones."""
        return scores - self.scores.mean(1)

    def p(self, scores: Values) -> Values:
        """(layer,) of so high a UAR by chance: (1 + those as high) / (1 + shuffles)."""
        return (1 + (self.scores >= scores[:, None]).sum(1)) / (1 + self.scores.shape[1])


def shuffle(task: Task, shuffles: int, seed: int) -> tuple[npt.NDArray[np.intp], str]:
    """Shuffled labels (shuffle, utterance), and a description of the scheme.

    Hewitt and Liang 2019 (Designing and Interpreting Probes with Control Tasks) assign a random
    label to every word type; a probe with a high score has memorised types. With
    speaker-independent folds, no types recur in the test part. Shuffled labels therefore control
    for class sizes, folds and the capacity of the probe. Labels
    are exchanged where they could have been (Winkler et al. 2014, NeuroImage 92, exchangeability
    blocks): within a speaker, so that each keeps the same number of each class; or between whole
    speakers, where one speaker has one class. Training and test labels are shuffled
    together.
    """
    random = np.random.default_rng(seed)
    by = task.grouped_by
    if not by:
        return np.stack([random.permutation(task.y) for _ in range(shuffles)]), "over utterances"
    names, first, group = np.unique(task.groups.astype(str), return_index=True, return_inverse=True)
    if is_constant(task.y, task.groups):
        of_group = task.y[first]
        labels = [random.permutation(of_group)[group] for _ in range(shuffles)]
        return np.stack(labels), f"between {by}s, each of which keeps one class"
    within = np.empty((shuffles, len(task.y)), np.intp)
    for number in range(len(names)):
        rows = np.flatnonzero(group == number)
        for row in within:
            row[rows] = random.permutation(task.y[rows])
    return within, f"within {by}s"


def shuffled(
    curve: Curve,
    layers: Iterable[tuple[int | None, Matrix | FoldedMatrix]],
    head: str,
    shuffles: int,
    seed: int,
) -> Shuffled:
    """Refit every layer of `curve` to shuffled labels.

    C is that of the true labels in each fold.
    """
    task = curve.task
    labels, scheme = shuffle(task, shuffles, seed)
    train, tested = task.train, task.tested

    def fit(X: Matrix, some: npt.NDArray[np.intp], C: npt.NDArray[np.float64]) -> npt.NDArray:
        """(shuffle, fold, utterance) predictions by heads of some folds."""
        masks, of_fold = np.tile(train[some], (shuffles, 1)), np.tile(C[some], shuffles)
        problems = Problems(masks, labels.repeat(len(some), 0), len(task.classes), of_fold)
        return predict(head, X, problems).reshape(shuffles, len(some), -1)

    scores = []
    for (layer, X), C in zip(layers, curve.C, strict=True):
        with naming(head, f"{layer_name(layer, curve.pooling)}, shuffled labels"):
            if isinstance(X, FoldedMatrix):
                each = [fit(own, np.array([number]), C) for number, own in enumerate(X.of)]
                predicted = np.concatenate(each, 1)
            else:
                predicted = fit(X, np.arange(len(train)), C)
        predicted = predicted[:, task.fold[tested], tested]
        scores.append(uar(confusions(labels[:, tested], predicted, len(task.classes))))
    return Shuffled(scheme, np.array(scores))


def confusions(
    truths: npt.NDArray[np.intp], predicted: npt.NDArray[np.intp], classes: int
) -> npt.NDArray[np.int64]:
    """(row, truth, prediction) counts of truths and predictions (row, utterance)."""
    return np.stack([confusion(*row, classes) for row in zip(truths, predicted, strict=True)])


def sentence_alone(task: Task, sentences: npt.NDArray) -> float:
    """UAR of predicting the class from the sentence alone: its most frequent class in training.

    It is near chance where every sentence occurs in every class.
    """
    sentence = np.unique(sentences.astype(str), return_inverse=True)[1]
    classes = len(task.classes)
    predicted = np.zeros(len(task.y), np.intp)
    for train, test in task.folds.parts:
        table = np.zeros((sentence.max() + 1, classes), np.int64)
        np.add.at(table, (sentence[train], task.y[train]), 1)
        predicted[test] = table[sentence[test]].argmax(1)
    return float(uar(counts_by(task, predicted[None]).sum(0))[0])
