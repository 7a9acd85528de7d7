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
        mix = {}
        if result.layer_weights is not None and isinstance(data, Dataset):
            for layer, weights in zip(data.features.layers, result.layer_weights.T, strict=True):
                mix[layer] = Spread(float(weights.mean()), float(weights.std()))
        return cls(
            scores=Scores.of(counts, data.classes),
            folds=tuple(Scores.without_intervals(c, data.classes) for c in by_seed.sum(0)),
            seeds=tuple(Scores.without_intervals(c, data.classes) for c in by_seed.sum(1)),
            epochs=tuple(tuple(e for e in fold if e is not None) for fold in epochs),
            layer_weights=mix,
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
        found = {
            **self.scores.as_json(),
            "chance": self.chance,
            "classes": list(self.scores.classes),
        }
        if len(self.seeds) > 1:
            found["seeds"] = {"count": len(self.seeds)}
            for name in METRICS:
                values = [seed.values[name] for seed in self.seeds]
                found["seeds"][name] = {**asdict(self.over_seeds(name)), "values": values}
        if mix := self.layer_weights:
            found["layer_weights"] = {str(layer): asdict(spread) for layer, spread in mix.items()}
        return found

    def fold_json(self, number: int) -> Json:
        """The scores of one fold, and the epoch that each seed's fit kept."""
        epochs = self.epochs[number]
        return {**self.folds[number].values, **({"epochs": list(epochs)} if epochs else {})}

    def predictions(self, data: Selection, result: CrossValidation) -> Iterator[list[str]]:
        """Truth, prediction and probabilities of each utterance, for ``predictions.csv``; the
        header first."""
        yield ["truth", "prediction", *data.classes]
        names = np.array(data.classes)[result.prediction]
        for truth, name, probabilities in zip(data.truth, names, result.output, strict=True):
            yield [str(truth), str(name), *(f"{value:.6f}" for value in probabilities)]
