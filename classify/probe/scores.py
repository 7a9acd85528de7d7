"""A curve in numbers: scores with their intervals, by class and by speaker."""

from typing import Any

import numpy as np
import numpy.typing as npt

from classify.metrics import Counts, accuracy, per_class, uar
from classify.probe.confidence import (
    SCORES,
    Samples,
    bootstrap,
    bootstrap_of_classes,
    interval,
    permutation_test,
    uar_shares,
)
from classify.probe.curves import Curve, counts_by
from classify.probe.selection import Best, Nested
from classify.probe.targets import Task

Json = dict[str, Any]


def samples(task: Task, counts: Counts, draws: int, seed: int) -> Samples:
    """Scores (draw, layer) of drawn speakers, from counts (speaker, layer, truth, prediction)."""
    if task.target == "speaker":
        return bootstrap_of_classes(counts.sum(0), draws, seed)
    return bootstrap(counts, draws, seed)


def rows(curve: Curve, draws: int, seed: int) -> list[Json]:
    """The rows of a curve, a layer each; see `classify.probe.result`."""
    drawn = samples(curve.task, curve.counts, draws, seed)
    return [
        {
            "layer": layer,
            **summary(curve.task, curve.counts[:, index]),
            **intervals({name: values[:, index] for name, values in drawn.items()}),
            "C": curve.C[index].tolist(),
            **details(curve.task, curve.counts[:, index]),
        }
        for index, layer in enumerate(curve.layers)
    ]


def prediction_row(task: Task, predictions: npt.NDArray[np.intp], draws: int, seed: int) -> Json:
    """Scores, intervals and details of one answer an utterance."""
    counts = counts_by(task, predictions[None])
    drawn = samples(task, counts, draws, seed)
    return {
        **summary(task, counts[:, 0]),
        **intervals({name: values[:, 0] for name, values in drawn.items()}),
        **details(task, counts[:, 0]),
    }


def summary(task: Task, counts: Counts) -> Json:
    """The scores of counts (speaker, truth, prediction)."""
    return {name: float(score(counts.sum(0))) for name, score in SCORES.items()}


def intervals(drawn: Samples) -> Json:
    """``ci95`` of the UAR, and of the other scores."""
    return {
        "ci95" if name == "uar" else f"ci95_{name}": interval(values).tolist()
        for name, values in drawn.items()
    }


def details(task: Task, counts: Counts) -> Json:
    """By class, by speaker, and the confusion matrix."""
    return {
        "per_class": per_class(counts.sum(0), task.classes),
        "per_speaker": {
            str(speaker): {"uar": float(u), "accuracy": float(a), "utterances": int(n)}
            for speaker, u, a, n in zip(
                task.speakers[0], uar(counts), accuracy(counts), counts.sum((1, 2)), strict=True
            )
        },
        "confusion": counts.sum(0).tolist(),
    }


def difference(task: Task, predictions: npt.NDArray[np.intp], draws: int, seed: int) -> Json:
    """By how much the UAR of the first of two answers (2, utterance) is above the second's."""
    counts = counts_by(task, predictions)
    drawn = samples(task, counts, draws, seed)["uar"]
    shares = uar_shares(counts)
    return {
        "uar": float(uar(counts.sum(0)) @ [1, -1]),
        "ci95": interval(drawn[:, 0] - drawn[:, 1]).tolist(),
        "p": float(permutation_test(shares[:, 0] - shares[:, 1], draws, seed)),
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
                "p_holm": float(best.p_holm[index]),
            }
            for index, layer in enumerate(curve.layers)
            if index != best.index
        ],
    }


def nested_json(curve: Curve, nested: Nested, best: Best, draws: int, seed: int) -> Json:
    """The score of the nested choice beside that of the layer best on test."""
    row = prediction_row(curve.task, nested.predictions, draws, seed)
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
