"""The outcome of a run whose target is a class."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from classify.dataset import Dataset, Selection
from classify.evaluation.crossvalidate import CrossValidation
from classify.evaluation.folds import Folds, units
from classify.stats.metrics import METRICS, confusions
from classify.stats.scores import Json, Scores


@dataclass(frozen=True)
class Spread:
    """Mean and deviation of several values."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class ClassOutcome:
    """Scores of predicted classes. With several seeds, confusion matrices are summed over them."""

    scores: Scores  # of the predictions of all folds together
    folds: tuple[Scores, ...]
    seeds: tuple[Scores, ...]
    epochs: tuple[tuple[int, ...], ...]  # (fold)(seed) that were kept; empty: heads without epochs
    layer_weights: dict[int, Spread]  # of a mix of layers over folds and seeds; empty: no mix

    @classmethod
    def of(cls, data: Selection, folds: Folds, result: CrossValidation) -> "ClassOutcome":
        """Score the predictions of a cross-validation."""
        by_seed = result.confusions(data.y)  # (seed, fold, truth, prediction)
        _, unit = units(data, folds)
        counts = confusions(data.y, result.by_seed.argmax(2), unit, len(data.classes)).sum(1)
        epochs = [[fit.epoch for fit in fits] for fits in zip(*result.fits, strict=True)]
        return cls(
            scores=Scores.of(counts, data.classes),
            folds=tuple(Scores.without_intervals(c, data.classes) for c in by_seed.sum(0)),
            seeds=tuple(Scores.without_intervals(c, data.classes) for c in by_seed.sum(1)),
            epochs=tuple(tuple(e for e in fold if e is not None) for fold in epochs),
            layer_weights=_layer_weights(data, result),
        )

    @property
    def chance(self) -> float:
        """UAR of guessing."""
        return 1 / len(self.scores.classes)

    def over_seeds(self, metric: str) -> Spread:
        """A metric over the seeds, of which there are two or more."""
        values = [seed.values[metric] for seed in self.seeds]
        return Spread(float(np.mean(values)), float(np.std(values, ddof=1)))

    def as_json(self) -> Json:
        """The part of ``metrics.json`` that is about classes."""
        return {
            **self.scores.as_json(),
            "chance": self.chance,
            "classes": list(self.scores.classes),
            **({"seeds": self._seeds_json()} if len(self.seeds) > 1 else {}),
            **({"layer_weights": self._weights_json()} if self.layer_weights else {}),
        }

    def fold_json(self, number: int) -> Json:
        """The scores of one fold, and the epoch that each seed's fit kept."""
        epochs = self.epochs[number]
        return {**self.folds[number].values, **({"epochs": list(epochs)} if epochs else {})}

    def _seeds_json(self) -> Json:
        found: Json = {"count": len(self.seeds)}
        for name in METRICS:
            values = [seed.values[name] for seed in self.seeds]
            found[name] = {**asdict(self.over_seeds(name)), "values": values}
        return found

    def _weights_json(self) -> Json:
        return {str(layer): asdict(spread) for layer, spread in self.layer_weights.items()}


def predictions(data: Dataset, result: CrossValidation) -> Iterator[list[str]]:
    """Truth, prediction and probabilities of each utterance, for ``predictions.csv``; the header
    first."""
    yield ["truth", "prediction", *data.classes]
    names = np.array(data.classes)[result.prediction]
    for truth, name, probabilities in zip(data.truth, names, result.output, strict=True):
        yield [str(truth), str(name), *(f"{value:.6f}" for value in probabilities)]


def _layer_weights(data: Selection, result: CrossValidation) -> dict[int, Spread]:
    weights = result.layer_weights  # (fit, layer)
    if weights is None or not isinstance(data, Dataset):
        return {}
    pairs = zip(weights.mean(0).tolist(), weights.std(0).tolist(), strict=True)
    return {layer: Spread(*pair) for layer, pair in zip(data.features.layers, pairs, strict=True)}
