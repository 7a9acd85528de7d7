"""A head, cross-validated: everything that the reports and the run folder tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from classify.crossvalidate import CrossValidation, cross_validate
from classify.dataset import Dataset, load
from classify.folds import Folds, split
from classify.heads import HEADS, build
from classify.metrics import Counts, overall, per_class
from classify.options import Options


@dataclass(frozen=True)
class Run:
    """One head, cross-validated on one selection of a cache."""

    options: Options
    dataset: Dataset
    folds: Folds
    result: CrossValidation

    @property
    def title(self) -> str:
        """Head and encoder, for figures and pages."""
        return f"{self.options.head} on {self.dataset.encoder}"

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: neither times nor places, so equal runs give equal bytes."""
        data, by_fold = self.dataset, self.result.confusions(self.dataset.y)
        pooled = by_fold.sum(0)
        return {
            **overall(pooled),
            "chance": 1 / len(data.classes),
            "utterances": len(data.y),
            "classes": list(data.classes),
            "confusion": pooled.tolist(),
            "per_class": per_class(pooled, data.classes),
            "folds": [self._of_fold(number, counts) for number, counts in enumerate(by_fold)],
            "split": self.folds.kind,
            "encoder": data.encoder,
            "control": bool(data.recipe.get("control")),
            "corpora": data.corpora,
            "fingerprint": data.fingerprint,
            "options": self.options.as_json() | data.features.as_json(),
        }

    def predictions(self) -> Iterator[list[str]]:
        """The rows of ``predictions.csv``, the header first."""
        data, result = self.dataset, self.result
        yield ["id", "speaker", "fold", "truth", "prediction", *data.classes]
        columns = (
            data.utterances["id"],
            data.utterances["speaker"],
            result.fold,
            data.truth,
            np.array(data.classes)[result.prediction],
        )
        for *values, probabilities in zip(*columns, result.probabilities, strict=True):
            yield [*map(str, values), *(f"{value:.6f}" for value in probabilities)]

    def _of_fold(self, number: int, counts: Counts) -> dict[str, Any]:
        test = self.folds.parts[number][1]
        speakers = sorted(set(self.dataset.speakers[test])) if self.folds.by_speaker else []
        return {
            "fold": number,
            "speakers": speakers,
            "utterances": len(test),
            **overall(counts),
        }


def evaluate(options: Options, jobs: int = -1) -> Run:
    """Cross-validate the head that `options` name on what they choose of a cache.

    Raises:
        CacheError, UsageError: there is no such cache, or it does not hold what is asked for.
        HeadError: the head cannot learn from it.
    """
    dataset = load(options)
    folds = split(dataset, options.folds, options.seed)
    result = cross_validate(dataset, new_head(options, dataset), folds, jobs)
    return Run(options, dataset, folds, result)


def new_head(options: Options, dataset: Dataset) -> Any:
    """The unfitted estimator that `options` name, told how to read the features of `dataset`."""
    head = HEADS[options.head]
    if not head.neural:
        return build(options.head, {"random_state": options.seed} if head.random else {})
    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    return build(options.head, {**dataset.parameters, **epochs, "random_state": options.seed})
