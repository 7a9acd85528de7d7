"""Scores of a run whose target is one or more numbers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from classify.evaluation.folds import Rows
from classify.stats import intervals
from classify.stats.agreement import AGREEMENTS, Values

if TYPE_CHECKING:
    from classify.evaluation.run import Run

Json = dict[str, Any]


def metrics(run: "Run") -> Json:
    """The part of ``metrics.json`` that is about numbers.

    Scores are of the predictions of all folds together. None is what is not defined, such as the
    correlation with a constant.
    """
    scores, (*of_targets, of_mean) = _scores(run, slice(None)), _intervals(run)
    for column, each in enumerate(scores["targets"].values()):
        each["ci95"] = of_targets[column]
        each["truth"] = _distribution(run.dataset.y[:, column])
    scores["mean"]["ci95"] = of_mean
    return {"kind": "regression", **scores}


def of_fold(run: "Run", number: int) -> Json:
    """The scores of one fold."""
    return _scores(run, run.folds.parts[number][1])


def predictions(run: "Run") -> Iterator[list[str]]:
    """Truth and prediction of each utterance, for ``predictions.csv``; the header first."""
    targets = run.dataset.targets
    yield [f"{name}_{kind}" for name in targets for kind in ("truth", "prediction")]
    pairs = np.stack([run.dataset.y, run.result.output], axis=2)
    for row in pairs.reshape(len(pairs), -1):
        yield [f"{value:.6f}" for value in row]


def _intervals(run: "Run") -> list[list[float] | None]:
    """95 % intervals over speakers of the CCC of each target, then of their mean.

    Where the speakers are unknown, utterances take their place.
    """
    data = run.dataset
    units = data.speakers if data.speakers_known else data.utterances["id"]
    _, speakers = np.unique(units.astype(str), return_inverse=True)
    return intervals.as_json(intervals.of_ccc(data.y, run.result.output, speakers))


def _scores(run: "Run", rows: Rows | slice) -> Json:
    """Of each target, and their means over the targets, for some utterances."""
    truth, prediction = run.dataset.y[rows], run.result.output[rows]
    scores = {name: score(truth, prediction) for name, score in AGREEMENTS.items()}
    return {
        "targets": {
            target: {name: _json(values[column]) for name, values in scores.items()}
            for column, target in enumerate(run.dataset.targets)
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
