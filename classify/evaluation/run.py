"""A head, cross-validated: everything that the reports and the run folder tell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Dataset, load
from classify.evaluation.crossvalidate import CrossValidation, cross_validate
from classify.evaluation.folds import Folds, split
from classify.evaluation.tuning import Tuned, draw, tune
from classify.heads import HEADS, build, naming
from classify.options import Options
from classify.stats.intervals import of_metrics
from classify.stats.metrics import METRICS, Counts, confusions, per_class, scores
from data.cache.recipe import encoder_json
from data.errors import UsageError

Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One head, cross-validated on one selection of a cache."""

    options: Options
    dataset: Dataset
    folds: Folds
    result: CrossValidation
    tuned: Tuned | None = None

    @property
    def title(self) -> str:
        """Head and encoder, for figures and pages."""
        return f"{self.options.head} on {self.dataset.encoder}"

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: neither times nor places, so equal runs give equal bytes.

        With several seeds, counts are those of all of them; UAR and accuracy are so their means.
        """
        data, by_seed = self.dataset, self.result.confusions(self.dataset.y)
        by_fold = by_seed.sum(0)
        pooled, weights = by_fold.sum(0), self.layer_weights
        return {
            **scores(pooled),
            **self._intervals(),
            "chance": 1 / len(data.classes),
            "utterances": len(data.y),
            "classes": list(data.classes),
            "confusion": pooled.tolist(),
            "per_class": per_class(pooled, data.classes),
            "folds": [self._of_fold(number, counts) for number, counts in enumerate(by_fold)],
            "split": self.folds.kind,
            **({"seeds": _of_seeds(by_seed.sum(1))} if len(by_seed) > 1 else {}),
            **({"tuned": self.tuned.as_json()} if self.tuned else {}),
            **({} if weights is None else {"layer_weights": self._layer_weights(weights)}),
            "transductive": self.options.normalize == "speaker",
            **encoder_json(data.recipe),
            "corpora": data.corpora,
            "fingerprint": data.fingerprint,
            "options": self.options.as_json() | data.features.as_json(),
        }

    def _intervals(self) -> Json:
        """[low, high] of each metric over speakers, or over utterances where speakers are unknown;
        None where there are too few."""
        data, said = self.dataset, self.result.by_seed.argmax(2)
        units = data.speakers.astype(str) if self.folds.by_speaker else np.arange(len(data.y))
        unit = np.unique(units, return_inverse=True)[1]
        return of_metrics(confusions(data.y, said, unit, len(data.classes)).sum(1))

    @cached_property
    def layer_weights(self) -> npt.NDArray[np.float64] | None:
        """(fit, layer) how the layers were mixed; None of heads that mix none."""
        answers = [answer for of_seed in self.result.answers for answer in of_seed]
        weights = [a.layer_weights for a in answers if a.layer_weights is not None]
        return np.stack(weights) if weights else None

    @cached_property
    def attention(self) -> npt.NDArray[np.float64] | None:
        """(utterance, step) what the head of the first seed attends to in what it was not trained
        on, NaN after an utterance's last step; None of heads that attend to nothing."""
        found = [answer.attention for answer in self.result.answers[0]]
        some = [each for each in found if each is not None]
        if len(some) < len(found):
            return None
        joined = np.full((len(self.dataset.y), max(each.shape[1] for each in some)), np.nan)
        for (_, test), each in zip(self.folds.parts, some, strict=True):
            joined[test, : each.shape[1]] = np.where(each > 0, each, np.nan)
        return joined

    def surest(self) -> list[int]:
        """Of each class the utterance that is told right with the highest probability."""
        y, said = self.dataset.y, self.result.by_seed[0]
        sure = np.where(said.argmax(1) == y, said[np.arange(len(y)), y], 0)
        best = [int(np.where(y == number, sure, -1).argmax()) for number in np.unique(y)]
        return [row for row in best if sure[row] > 0]

    def _layer_weights(self, weights: npt.NDArray[np.float64]) -> Json:
        """Layer → mean and deviation of its weight (fit, layer) over folds and seeds."""
        pairs = zip(weights.mean(0).tolist(), weights.std(0).tolist(), strict=True)
        return {
            str(layer): {"mean": mean, "deviation": deviation}
            for layer, (mean, deviation) in zip(self.dataset.features.layers, pairs, strict=True)
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
        epochs = [answers[number].epoch for answers in self.result.answers]
        return {
            "fold": number,
            "speakers": speakers,
            "utterances": len(test),
            **scores(counts),
            **({"epochs": epochs} if epochs[0] is not None else {}),
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


def evaluate(options: Options, jobs: int = -1) -> Run:
    """Cross-validate the head that `options` name on what they choose of a cache.

    Raises:
        CacheError, UsageError: there is no such cache, or it does not hold what is asked for.
        HeadError: the head cannot learn from it.
    """
    dataset = load(options)
    return evaluate_folds(options, dataset, split(dataset, options.folds, options.seed), jobs)


def evaluate_folds(options: Options, dataset: Dataset, folds: Folds, jobs: int = -1) -> Run:
    """Cross-validate the head that `options` name on these folds.

    Raises:
        UsageError: the device is not there.
        HeadError: the head cannot learn from a training part.
    """
    with naming(options.head, dataset.features):
        return _cross_validated(options, dataset, folds, jobs)


def _cross_validated(options: Options, dataset: Dataset, folds: Folds, jobs: int) -> Run:
    if not options.tune:
        heads = _by_seed(options, dataset, {})
        return Run(
            options, dataset, folds, cross_validate(dataset, [heads] * len(folds), folds, jobs)
        )
    tried = draw(options.head, options.tune, options.seed, options.fixed)
    tuned = tune(
        dataset,
        folds,
        tried,
        lambda settings: new_head(options, dataset, settings),
        options.seed,
        jobs,
    )
    chosen = [_by_seed(options, dataset, tried[number]) for number in tuned.chosen]
    result = cross_validate(dataset, chosen, folds, jobs)
    return Run(options, dataset, folds, result, tuned)


def new_head(
    options: Options, dataset: Dataset, settings: Mapping[str, Any] | None = None, seed: int = 0
) -> Any:
    """The unfitted estimator that `options` name, told how to read the features of `dataset`.

    Args:
        options: the head and what is set of it.
        dataset: whose features it is to read.
        settings: more parameters.
        seed: added to that of the options.

    Raises:
        UsageError: the device is not there.
    """
    return build(options.head, {**parameters(options, dataset, seed), **(settings or {})})


def parameters(options: Options, dataset: Dataset, seed: int = 0) -> Json:
    """What the head that `options` name is told, by the parameter's name."""
    head = HEADS[options.head]
    told: Json = {"random_state": options.seed + seed} if head.random else {}
    if options.C is not None:
        told["C"] = options.C
    if options.balance:
        told["class_weight"] = "balanced"
    if head.neural:
        _require_device(options.device)
        told |= {**dataset.parameters, **options.training.given, "device": options.device}
        told["standardize"] = options.normalize != "none"
    return told


def _by_seed(options: Options, dataset: Dataset, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(new_head(options, dataset, settings, seed) for seed in range(options.seeds))


def _require_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"--device {name}: {str(error).splitlines()[0]}; --device cpu always works"
        ) from error
