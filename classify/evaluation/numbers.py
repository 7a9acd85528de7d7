"""The outcome of a run whose target is one or more numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from classify.dataset import Selection
from classify.evaluation.crossvalidate import CrossValidation
from classify.evaluation.folds import Folds, Rows, units
from classify.stats import intervals
from classify.stats.agreement import AGREEMENTS, Values
from classify.stats.scores import Json

Measures = Mapping[str, float | None]  # measure → value; None: not defined


@dataclass(frozen=True)
class Distribution:
    """Mean and deviation of the true values of a target; the deviation is the RMSE of predicting
    the mean."""

    mean: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Values) -> "Distribution":
        """Of values (utterance,)."""
        return cls(*map(float, (values.mean(), values.std(), values.min(), values.max())))


@dataclass(frozen=True)
class TargetScores:
    """Agreement of the predictions of one target with its true values, or its mean over targets."""

    values: Measures
    interval: intervals.Pair  # of the CCC
    truth: Distribution | None = None  # None: the mean over targets

    def as_json(self) -> Json:
        """Its part of ``metrics.json``."""
        truth = {"truth": asdict(self.truth)} if self.truth else {}
        return {**self.values, "ci95": self.interval, **truth}


@dataclass(frozen=True)
class FoldAgreement:
    """The same within one fold."""

    targets: dict[str, Measures]
    mean: Measures


@dataclass(frozen=True)
class NumberOutcome:
    """Agreement of predicted numbers with true ones, over the predictions of all folds."""

    targets: dict[str, TargetScores]
    mean: TargetScores
    folds: tuple[FoldAgreement, ...]

    @classmethod
    def of(cls, data: Selection, folds: Folds, result: CrossValidation) -> "NumberOutcome":
        """Score the predictions of a cross-validation."""
        found = _agreement(data, result, slice(None))
        _, unit = units(data, folds)
        *of_targets, of_mean = intervals.as_json(intervals.of_ccc(data.y, result.output, unit))
        columns = zip(found.targets.items(), of_targets, data.y.T, strict=True)
        return cls(
            targets={
                name: TargetScores(values, interval, Distribution.of(truth))
                for (name, values), interval, truth in columns
            },
            mean=TargetScores(found.mean, of_mean),
            folds=tuple(_agreement(data, result, test) for _, test in folds.parts),
        )

    @property
    def rows(self) -> dict[str, TargetScores]:
        """The targets, and their mean where there are several."""
        return {**self.targets, **({"mean": self.mean} if len(self.targets) > 1 else {})}

    def as_json(self) -> Json:
        """The part of ``metrics.json`` that is about numbers."""
        targets = {name: row.as_json() for name, row in self.targets.items()}
        return {"kind": "regression", "targets": targets, "mean": self.mean.as_json()}

    def fold_json(self, number: int) -> Json:
        """The scores of one fold."""
        return asdict(self.folds[number])

    def predictions(self, data: Selection, result: CrossValidation) -> Iterator[list[str]]:
        """Truth and prediction of each utterance, for ``predictions.csv``; the header first."""
        yield [f"{name}_{kind}" for name in data.targets for kind in ("truth", "prediction")]
        pairs = np.stack([data.y, result.output], axis=2)
        for row in pairs.reshape(len(pairs), -1):
            yield [f"{value:.6f}" for value in row]


def _agreement(data: Selection, result: CrossValidation, rows: Rows | slice) -> FoldAgreement:
    """Of each target, and their means over the targets, for some utterances."""
    truth, prediction = data.y[rows], result.output[rows]
    found = {name: measure(truth, prediction) for name, (_, measure) in AGREEMENTS.items()}
    return FoldAgreement(
        targets={
            target: {name: _defined(values[column]) for name, values in found.items()}
            for column, target in enumerate(data.targets)
        },
        mean={name: _defined(values.mean()) for name, values in found.items()},
    )


def _defined(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
