"""Scores of curves and of single predictions, with intervals, by class and by speaker."""

import numpy as np
import numpy.typing as npt

from classify.probing.curves import Curve, Layer, counts_by
from classify.probing.result import Difference, FoldChoice, LayerScores, NestedScores
from classify.probing.selection import Nested
from classify.probing.targets import Task
from classify.stats import intervals
from classify.stats.metrics import Counts, uar
from classify.stats.scores import Scores
from classify.stats.tests import permutation_test, uar_shares


def of_layers(curve: Curve) -> list[LayerScores]:
    """The scores of a curve, a layer each."""
    task = curve.task
    return [
        LayerScores(_number(layer), C, scores, by_speaker(task, counts))
        for layer, C, scores, counts in zip(
            curve.layers,
            curve.C.tolist(),
            _scores(task, curve.counts),
            curve.counts.swapaxes(0, 1),
            strict=True,
        )
    ]


def of_nested(curve: Curve, nested: Nested, best_on_test: float) -> NestedScores:
    """The scores of the nested choice beside that of the layer best on test."""
    counts = counts_by(curve.task, nested.predictions[None])
    (scores,) = _scores(curve.task, counts)
    folds = [
        FoldChoice(fold, layer, float(curve.C[index, fold]))
        for fold, index in enumerate(nested.chosen)
        if (layer := _number(curve.layers[index])) is not None
    ]
    return NestedScores(scores, by_speaker(curve.task, counts[:, 0]), best_on_test, folds)


def by_speaker(task: Task, counts: Counts) -> dict[str, Scores]:
    """Speaker → scores of counts (speaker, truth, prediction)."""
    return {
        str(speaker): Scores.without_intervals(own, task.classes)
        for speaker, own in zip(task.tested_speakers[0], counts, strict=True)
    }


def difference(task: Task, predictions: npt.NDArray[np.intp], seed: int) -> Difference:
    """By how much the UAR of the first of two predictions (2, utterance) is above the second's."""
    counts = counts_by(task, predictions)
    shares = uar_shares(counts)
    return Difference(
        uar=float(uar(counts.sum(0)) @ [1, -1]),
        interval=intervals.as_json(intervals.of_difference(counts)),
        p=float(permutation_test(shares[:, 0] - shares[:, 1], seed=seed)),
    )


def _number(layer: Layer) -> int | None:
    return layer if isinstance(layer, int) else None


def _scores(task: Task, counts: Counts) -> list[Scores]:
    """Of counts (speaker, layer, truth, prediction). Where the speaker is predicted, intervals are
    over the classes."""
    return Scores.of_each(counts, task.classes, over_classes=task.target == "speaker")
