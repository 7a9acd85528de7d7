"""Scores of a run whose target is a class."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from classify.dataset import Dataset
from classify.evaluation.crossvalidate import CrossValidation
from classify.evaluation.folds import Folds
from classify.stats.intervals import of_metrics
from classify.stats.metrics import METRICS, Counts, confusions, per_class, scores

Json = dict[str, Any]


def metrics(data: Dataset, folds: Folds, result: CrossValidation) -> Json:
    """The part of ``metrics.json`` that is about classes.

    With several seeds the counts are those of all of them, so UAR and accuracy are their means.
    """
    by_seed = result.confusions(data.y)
    pooled = by_seed.sum((0, 1))
    return {
        **scores(pooled),
        **_intervals(data, folds, result),
        "chance": 1 / len(data.classes),
        "classes": list(data.classes),
        "confusion": pooled.tolist(),
        "per_class": per_class(pooled, data.classes),
        **({"seeds": _of_seeds(by_seed.sum(1))} if len(by_seed) > 1 else {}),
        **_layer_weights(data, result),
    }


def of_fold(data: Dataset, folds: Folds, result: CrossValidation, number: int) -> Json:
    """The scores of one fold, and the epoch that each seed's fit kept."""
    counts = result.confusions(data.y)[:, number].sum(0)
    epochs = [fits[number].epoch for fits in result.fits]
    return {**scores(counts), **({"epochs": epochs} if epochs[0] is not None else {})}


def predictions(data: Dataset, result: CrossValidation) -> Iterator[list[str]]:
    """Truth, prediction and probabilities of each utterance, for ``predictions.csv``; the header
    first."""
    yield ["truth", "prediction", *data.classes]
    names = np.array(data.classes)[result.prediction]
    for truth, name, probabilities in zip(data.truth, names, result.output, strict=True):
        yield [str(truth), str(name), *(f"{value:.6f}" for value in probabilities)]


def _intervals(data: Dataset, folds: Folds, result: CrossValidation) -> Json:
    """[low, high] of each metric over speakers, or over utterances where speakers are unknown;
    None where there are too few."""
    units = data.speakers.astype(str) if folds.by_speaker else np.arange(len(data.y))
    unit = np.unique(units, return_inverse=True)[1]
    counts = confusions(data.y, result.by_seed.argmax(2), unit, len(data.classes))
    return of_metrics(counts.sum(1))


def _layer_weights(data: Dataset, result: CrossValidation) -> Json:
    """Layer → mean and deviation of its weight over folds and seeds, of heads that mix layers."""
    weights = result.layer_weights
    if weights is None:
        return {}
    pairs = zip(weights.mean(0).tolist(), weights.std(0).tolist(), strict=True)
    return {
        "layer_weights": {
            str(layer): {"mean": mean, "deviation": deviation}
            for layer, (mean, deviation) in zip(data.features.layers, pairs, strict=True)
        }
    }


def _of_seeds(counts: Counts) -> Json:
    """Scores of each seed, from confusion matrices (seed, truth, prediction)."""
    found: Json = {"count": len(counts)}
    for name, metric in METRICS.items():
        values = metric(counts)
        found[name] = {
            "mean": float(values.mean()),
            "deviation": float(values.std(ddof=1)),
            "values": values.tolist(),
        }
    return found
