"""A head that predicts numbers, cross-validated: what the reports and the run folder tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits

from classify.dataset import Dataset
from classify.evaluation.crossvalidate import converging, each_fold, learning_from
from classify.evaluation.folds import Folds, Rows, split
from classify.evaluation.run import parameters
from classify.evaluation.targets import load
from classify.features import Matrix
from classify.heads import build_regressor, naming
from classify.options import Options
from classify.stats import intervals
from classify.stats.agreement import AGREEMENTS, Values
from data.cache.recipe import encoder_json
from data.errors import UsageError

Json = dict[str, Any]


@dataclass(frozen=True)
class RegressionRun:
    """One head, cross-validated on the numbers of one selection of a cache."""

    options: Options
    dataset: Dataset  # without classes
    truth: Values  # (utterance, target)
    folds: Folds
    prediction: Values  # (utterance, target) by the head that was not trained on the utterance

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.options.targets

    @property
    def title(self) -> str:
        """Head, targets and encoder, for figures and pages."""
        return f"{', '.join(self.targets)}: {self.options.head} on {self.dataset.encoder}"

    @cached_property
    def metrics(self) -> Json:
        """What ``metrics.json`` holds: neither times nor places, so equal runs give equal bytes.

        Scores are of the answers of all folds together; None is what is not defined, as the
        correlation with a constant.
        """
        data = self.dataset
        scores, (*of_targets, of_mean) = self._scores(slice(None)), self._intervals()
        for column, each in enumerate(scores["targets"].values()):
            each["ci95"] = of_targets[column]
            each["truth"] = _distribution(self.truth[:, column])
        scores["mean"]["ci95"] = of_mean
        return {
            "kind": "regression",
            **scores,
            "utterances": len(self.truth),
            "folds": [self._of_fold(number) for number in range(len(self.folds))],
            "split": self.folds.kind,
            **encoder_json(data.recipe),
            "corpora": data.corpora,
            "fingerprint": data.fingerprint,
            "options": self.options.as_json() | data.features.as_json(),
        }

    def predictions(self) -> Iterator[list[str]]:
        """The rows of ``predictions.csv``, the header first."""
        numbers = [f"{name}_{kind}" for name in self.targets for kind in ("truth", "prediction")]
        yield ["id", "speaker", "fold", *numbers]
        table = self.dataset.utterances
        pairs = np.stack([self.truth, self.prediction], axis=2).reshape(len(table), -1)
        columns = (table["id"], table["speaker"], self.folds.fold)
        for *values, row in zip(*columns, pairs, strict=True):
            yield [*map(str, values), *(f"{value:.6f}" for value in row)]

    def _intervals(self) -> list[list[float] | None]:
        """95 % intervals over speakers of the CCC of each target, then of their mean.

        Where the speakers are unknown, utterances take their place.
        """
        names = self.dataset.utterances["id"]
        units = self.dataset.speakers if self.dataset.speakers_known else names
        _, speakers = np.unique(units.astype(str), return_inverse=True)
        return intervals.as_json(intervals.of_ccc(self.truth, self.prediction, speakers))

    def _scores(self, rows: Rows | slice) -> Json:
        """Of each target, and their means over the targets, for some utterances."""
        truth, prediction = self.truth[rows], self.prediction[rows]
        scores = {name: score(truth, prediction) for name, score in AGREEMENTS.items()}
        return {
            "targets": {
                target: {name: _json(values[column]) for name, values in scores.items()}
                for column, target in enumerate(self.targets)
            },
            "mean": {name: _json(values.mean()) for name, values in scores.items()},
        }

    def _of_fold(self, number: int) -> Json:
        test = self.folds.parts[number][1]
        speakers = sorted(set(self.dataset.speakers[test])) if self.folds.by_speaker else []
        about = {"fold": number, "speakers": speakers, "utterances": len(test)}
        return {**about, **self._scores(test)}


def regress(options: Options, jobs: int = -1) -> RegressionRun:
    """Cross-validate the regressor that `options` name on what they choose of a cache.

    Args:
        options: several columns as ``target``, or one.
        jobs: at most so many processes; -1: one a core. Results do not depend on it.

    Raises:
        CacheError, UsageError: there is no such cache, or it does not hold what is asked for.
        HeadError: the head cannot learn from it.
    """
    dataset, truth = load(options)
    folds = split(dataset, options.folds, options.seed)
    head = new_regressor(options, dataset)
    if hasattr(head, "fit_folds"):
        answers = _all_at_once(head, dataset, truth, folds)
    else:
        answers = each_fold(partial(_fit, head), (dataset.X, truth), folds.parts, jobs)
    prediction = np.empty_like(truth)
    with naming(options.head, dataset.features):
        for (_, test), rows in zip(folds.parts, answers, strict=True):
            prediction[test] = rows
    return RegressionRun(options, dataset, truth, folds, prediction)


def new_regressor(options: Options, dataset: Dataset) -> Any:
    """The unfitted regressor that `options` name, told how to read the features of `dataset`."""
    for flag, given in (
        ("--balance", options.balance),
        ("--C", options.C is not None),
        ("--tune", options.tune),
        ("--seeds", options.seeds > 1),
        ("--label-smoothing", options.training.label_smoothing is not None),
    ):
        if given:
            raise UsageError(f"{flag} is for classes; --target {options.target} is regressed")
    return build_regressor(options.head, parameters(options, dataset))


def _all_at_once(head: Any, dataset: Dataset, truth: Values, folds: Folds) -> Iterator[Values]:
    """The folds of a neural head: predictions (test utterance, target)."""
    seeds = [head.random_state] * len(folds)
    speakers = dataset.speakers if dataset.speakers_known else None
    with learning_from(int(folds.train.sum(1).min())):
        fitted = head.fit_folds(dataset.X, truth, folds.train, seeds, speakers)
    for one, (_, test) in zip(fitted, folds.parts, strict=True):
        yield one.predict(dataset.X[test])


def _fit(head: Any, X: Matrix, truth: Values, train: Rows, test: Rows) -> Values:
    """One fold: predictions (test utterance, target), on one thread so that they repeat."""
    with learning_from(len(train)), threadpool_limits(1), converging(head):
        fitted = clone(head).fit(check_array(X[train]), truth[train])
        prediction = fitted.predict(X[test]).reshape(len(test), truth.shape[1])
        if not np.isfinite(prediction).all():
            raise ValueError("it predicts NaN or infinity")
        return prediction


def _distribution(values: Values) -> Json:
    """What the scores are to be seen against; the deviation is the RMSE of always the mean."""
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _json(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
