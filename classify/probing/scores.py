"""A curve in numbers: scores with their intervals, by class and by speaker."""

from typing import Any

import numpy as np
import numpy.typing as npt

from classify.probing.curves import Curve, counts_by
from classify.probing.selection import Nested
from classify.probing.targets import Task
from classify.stats import intervals
from classify.stats.metrics import Counts, per_class, scores, uar
from classify.stats.tests import Best, permutation_test, uar_shares

Json = dict[str, Any]


def rows(curve: Curve) -> list[Json]:
    """The rows of a curve, a layer each; see `classify.probing.result`."""
    found = intervals_of(curve.task, curve.counts)
    return [
        {
            "layer": layer,
            **scores(curve.counts[:, index].sum(0)),
            **{name: pairs[index] for name, pairs in found.items()},
            "C": curve.C[index].tolist(),
            **details(curve.task, curve.counts[:, index]),
        }
        for index, layer in enumerate(curve.layers)
    ]


def prediction_row(task: Task, predictions: npt.NDArray[np.intp]) -> Json:
    """Scores, intervals and details of one answer an utterance."""
    counts = counts_by(task, predictions[None])[:, 0]
    return {**scores(counts.sum(0)), **intervals_of(task, counts), **details(task, counts)}


def intervals_of(task: Task, counts: Counts) -> Json:
    """Intervals of counts (speaker, …, truth, prediction): ``ci95`` of the UAR, and of the other
    scores; where the speaker is what is predicted, over the classes."""
    return intervals.of_metrics(counts, over_classes=task.target == "speaker")


def details(task: Task, counts: Counts) -> Json:
    """By class, by speaker, and the confusion matrix."""
    return {
        "per_class": per_class(counts.sum(0), task.classes),
        "per_speaker": {
            str(speaker): {**scores(own), "utterances": int(own.sum())}
            for speaker, own in zip(task.speakers[0], counts, strict=True)
        },
        "confusion": counts.sum(0).tolist(),
    }


def difference(task: Task, predictions: npt.NDArray[np.intp], seed: int) -> Json:
    """By how much the UAR of the first of two answers (2, utterance) is above the second's."""
    counts = counts_by(task, predictions)
    shares = uar_shares(counts)
    return {
        "uar": float(uar(counts.sum(0)) @ [1, -1]),
        "ci95": intervals.as_json(intervals.of_difference(counts)),
        "p": float(permutation_test(shares[:, 0] - shares[:, 1], seed=seed)),
    }


def best_json(curve: Curve, best: Best) -> Json:
    """The layer best on test, its equals and the comparisons."""
    return {
        "layer": curve.layers[best.index],
        "uar": float(uar(curve.counts[:, best.index].sum(0))),
        "smallest_p": best.smallest_p,
        "equals": [curve.layers[index] for index in best.equals],
        "compared": [
            {
                "layer": layer,
                "difference": float(best.difference[index]),
                "p": float(best.p[index]),
            }
            for index, layer in enumerate(curve.layers)
            if index != best.index
        ],
    }


def nested_json(curve: Curve, nested: Nested, best: Best) -> Json:
    """The score of the nested choice beside that of the layer best on test."""
    row = prediction_row(curve.task, nested.predictions)
    top = float(uar(curve.counts[:, best.index].sum(0)))
    return {
        **row,
        "best_on_test": top,
        "optimism": top - row["uar"],
        "folds": [
            {"fold": fold, "layer": curve.layers[index], "C": float(curve.C[index, fold])}
            for fold, index in enumerate(nested.chosen)
        ],
    }
