"""Scores of a run whose target is one or more numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from classify.dataset import Dataset
from classify.evaluation.crossvalidate import CrossValidation
from classify.evaluation.folds import Folds, Rows
from classify.stats import intervals
from classify.stats.agreement import AGREEMENTS, Values

Json = dict[str, Any]


def metrics(data: Dataset, folds: Folds, result: CrossValidation) -> Json:
    """The part of ``metrics.json`` that is about numbers.

    Scores are of the predictions of all folds together. None is what is not defined, such as the
    correlation with a constant.
    """
    scores, (*of_targets, of_mean) = _scores(data, result, slice(None)), _intervals(data, result)
    for column, each in enumerate(scores["targets"].values()):
        each["ci95"] = of_targets[column]
        each["truth"] = _distribution(data.y[:, column])
    scores["mean"]["ci95"] = of_mean
    return {"kind": "regression", **scores}


def of_fold(data: Dataset, folds: Folds, result: CrossValidation, number: int) -> Json:
    """The scores of one fold."""
    return _scores(data, result, folds.parts[number][1])


def predictions(data: Dataset, result: CrossValidation) -> Iterator[list[str]]:
    """Truth and prediction of each utterance, for ``predictions.csv``; the header first."""
    targets = data.targets
    yield [f"{name}_{kind}" for name in targets for kind in ("truth", "prediction")]
    pairs = np.stack([data.y, result.output], axis=2)
    for row in pairs.reshape(len(pairs), -1):
        yield [f"{value:.6f}" for value in row]


def _intervals(data: Dataset, result: CrossValidation) -> list[list[float] | None]:
    """95 % intervals over speakers of the CCC of each target, then of their mean.

    Where the speakers are unknown, utterances take their place.
    """
    units = data.speakers if data.speakers_known else data.utterances["id"]
    _, speakers = np.unique(units.astype(str), return_inverse=True)
    return intervals.as_json(intervals.of_ccc(data.y, result.output, speakers))


def _scores(data: Dataset, result: CrossValidation, rows: Rows | slice) -> Json:
    """Of each target, and their means over the targets, for some utterances."""
    truth, prediction = data.y[rows], result.output[rows]
    scores = {name: score(truth, prediction) for name, score in AGREEMENTS.items()}
    return {
        "targets": {
            target: {name: _json(values[column]) for name, values in scores.items()}
            for column, target in enumerate(data.targets)
        },
        "mean": {name: _json(values.mean()) for name, values in scores.items()},
    }


def _distribution(values: Values) -> Json:
    """Of the truth; its deviation is the RMSE of a prediction that is always the mean."""
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _json(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
