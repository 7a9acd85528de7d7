"""Scores of a run whose target is a class."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from classify.stats.intervals import of_metrics
from classify.stats.metrics import METRICS, Counts, confusions, per_class, scores

if TYPE_CHECKING:
    from classify.evaluation.run import Run

Json = dict[str, Any]


def metrics(run: "Run") -> Json:
    """The part of ``metrics.json`` that is about classes.

    With several seeds the counts are those of all of them, so UAR and accuracy are their means.
    """
    data, by_seed = run.dataset, run.result.confusions(run.dataset.y)
    pooled = by_seed.sum((0, 1))
    return {
        **scores(pooled),
        **_intervals(run),
        "chance": 1 / len(data.classes),
        "classes": list(data.classes),
        "confusion": pooled.tolist(),
        "per_class": per_class(pooled, data.classes),
        **({"seeds": _of_seeds(by_seed.sum(1))} if len(by_seed) > 1 else {}),
        **({"tuned": run.tuned.as_json()} if run.tuned else {}),
        **({} if run.layer_weights is None else {"layer_weights": _layer_weights(run)}),
        "transductive": run.options.normalize == "speaker",
    }


def of_fold(run: "Run", number: int) -> Json:
    """The scores of one fold, and the epoch that each seed's fit kept."""
    counts = run.result.confusions(run.dataset.y)[:, number].sum(0)
    epochs = [fits[number].epoch for fits in run.result.fits]
    return {**scores(counts), **({"epochs": epochs} if epochs[0] is not None else {})}


def predictions(run: "Run") -> Iterator[list[str]]:
    """Truth, prediction and probabilities of each utterance, for ``predictions.csv``; the header
    first."""
    data, result = run.dataset, run.result
    yield ["truth", "prediction", *data.classes]
    names = np.array(data.classes)[result.prediction]
    for truth, name, probabilities in zip(data.truth, names, result.output, strict=True):
        yield [str(truth), str(name), *(f"{value:.6f}" for value in probabilities)]


def _intervals(run: "Run") -> Json:
    """[low, high] of each metric over speakers, or over utterances where speakers are unknown;
    None where there are too few."""
    data = run.dataset
    units = data.speakers.astype(str) if run.folds.by_speaker else np.arange(len(data.y))
    unit = np.unique(units, return_inverse=True)[1]
    counts = confusions(data.y, run.result.by_seed.argmax(2), unit, len(data.classes))
    return of_metrics(counts.sum(1))


def _layer_weights(run: "Run") -> Json:
    """Layer → mean and deviation of its weight over folds and seeds."""
    weights = run.layer_weights
    assert weights is not None
    pairs = zip(weights.mean(0).tolist(), weights.std(0).tolist(), strict=True)
    return {
        str(layer): {"mean": mean, "deviation": deviation}
        for layer, (mean, deviation) in zip(run.dataset.features.layers, pairs, strict=True)
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
