"""Scores of curves and of single predictions, with intervals, by class and by speaker."""

import numpy as np
import numpy.typing as npt

from classify.probing.curves import Curve, counts_by
from classify.probing.result import Difference, FoldChoice, LayerScores, NestedScores
from classify.probing.targets import Task
from classify.stats import intervals
from classify.stats.metrics import Counts, uar
from classify.stats.scores import Scores
from classify.stats.tests import permutation_test, uar_shares


def of_layers(curve: Curve) -> list[LayerScores]:
    """The scores of a curve, a layer each."""
    return [
        LayerScores(*scores, layer if isinstance(layer, int) else None, C)
        for layer, C, scores in zip(
            curve.layers, curve.C.tolist(), _scores(curve.task, curve.counts), strict=True
        )
    ]


def of_nested(curve: Curve, best_on_test: float) -> NestedScores:
    """The scores of the nested choice beside that of the layer best on test."""
    (scores,) = _scores(curve.task, counts_by(curve.task, curve.nested[None]))
    folds = [
        FoldChoice(fold, int(curve.layers[place]), float(curve.C[place, fold]))
        for fold, place in enumerate(curve.chosen)
    ]
    return NestedScores(*scores, best_on_test, folds)


def difference(task: Task, predictions: npt.NDArray[np.intp], seed: int) -> Difference:
    """By how much the UAR of the first of two predictions (2, utterance) is above the second's."""
    counts = counts_by(task, predictions)
    shares = uar_shares(counts)
    return Difference(
        uar=float(uar(counts.sum(0)) @ [1, -1]),
        ci95=intervals.as_json(intervals.of_difference(counts)),
        p=float(permutation_test(shares[:, 0] - shares[:, 1], seed=seed)),
    )


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
