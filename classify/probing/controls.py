"""Controls of a probe: the most frequent class, of a sentence or of all; shuffled labels."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from classify.heads import naming
from classify.heads.linear.batched import Problems
from classify.probing.curves import Curve, counts_by, layer_name, predict
from classify.probing.layers import FoldFeatures
from classify.probing.result import ShuffledCurve, ShuffledLayer
from classify.probing.targets import Task, is_constant
from classify.stats.metrics import Counts, confusion, uar


def most_frequent(task: Task, groups: npt.NDArray) -> Counts:
    """(truth, prediction) counts of predicting the most frequent class of the group in training.

    Args:
        task: classes and folds.
        groups: (utterance,) name of the group, such as the sentence; of one group, the most
            frequent class of the training part is predicted.
    """
    group = np.unique(groups.astype(str), return_inverse=True)[1]
    predicted = np.zeros(len(task.y), np.intp)
    for train, test in task.folds.parts:
        table = np.zeros((group.max() + 1, len(task.classes)), np.int64)
        np.add.at(table, (group[train], task.y[train]), 1)
        predicted[test] = table[group[test]].argmax(1)
    return counts_by(task, predicted[None]).sum((0, 1))


def shuffle(task: Task, shuffles: int, seed: int) -> tuple[npt.NDArray[np.intp], str]:
    """Shuffled labels (shuffle, utterance), and a description of the scheme.

    Hewitt and Liang 2019 (Designing and Interpreting Probes with Control Tasks) assign a random
    label to every word type; a probe with a high score has memorised types. With
    speaker-independent folds, no types recur in the test part. Shuffled labels therefore control
    for class sizes, folds and the capacity of the probe. Labels are exchanged where they could have
    been (Winkler et al. 2014, NeuroImage 92, exchangeability blocks): within a speaker, so that
    each keeps the same number of each class; or between whole speakers, where one speaker has one
    class. Training and test labels are shuffled together.
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
    curve: Curve, layers: Iterable[tuple[int, FoldFeatures]], head: str, shuffles: int, seed: int
) -> ShuffledCurve:
    """Refit every layer of `curve` to shuffled labels.

    C is that of the true labels in each fold. The p of a layer is of so high a UAR by chance:
    (1 + those as high) / (1 + shuffles).
    """
    task = curve.task
    labels, scheme = shuffle(task, shuffles, seed)
    train, tested, classes = task.folds.train, task.folds.tested, len(task.classes)
    true = uar(curve.counts.sum(0))  # (layer,)
    found = []
    for place, (layer, read) in enumerate(layers):
        predicted = np.empty((shuffles, *train.shape), np.intp)  # (shuffle, fold, utterance)
        with naming(head, f"{layer_name(layer, curve.pooling)}, shuffled labels"):
            for folds, X in read:
                some, C = train[folds], np.tile(curve.C[place, folds], shuffles)
                masks, y = np.tile(some, (shuffles, 1)), labels.repeat(len(some), 0)
                answers = predict(head, X, Problems(masks, y, classes, C))
                predicted[:, folds] = answers.reshape(shuffles, len(some), -1)
        held_out = predicted[:, task.folds.fold[tested], tested]
        pairs = zip(labels[:, tested], held_out, strict=True)
        scores = uar(np.stack([confusion(truth, answer, classes) for truth, answer in pairs]))
        found.append(
            ShuffledLayer(
                layer=layer,
                uar=float(scores.mean()),
                deviation=float(scores.std()),
                selectivity=float(true[place] - scores.mean()),
                p=float((1 + (scores >= true[place]).sum()) / (1 + shuffles)),
            )
        )
    return ShuffledCurve(shuffles, scheme, found)
