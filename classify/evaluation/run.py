"""The result of cross-validating one head."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Dataset, load
from classify.evaluation.classes import ClassOutcome
from classify.evaluation.crossvalidate import CrossValidation, cross_validate
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.evaluation.numbers import NumberOutcome
from classify.evaluation.tuning import Settings, Tuned, draw, tune
from classify.heads import build, build_regressor, find, naming
from classify.options import Options
from classify.stats.scores import Json
from data.cache.recipe import encoder_json
from data.errors import UsageError


@dataclass(frozen=True)
class Run:
    """One head that was cross-validated on one selection of a cache."""

    options: Options
    dataset: Dataset  # the utterances of the test parts
    folds: Folds  # of these; the audit is about all
    result: CrossValidation
    tuned: Tuned | None = None

    @property
    def title(self) -> str:
        """Head and encoder, and the targets of a regression, for figures and pages."""
        name = f"{self.options.head} on {self.dataset.encoder}"
        targets = ", ".join(self.dataset.targets)
        return f"{targets}: {name}" if targets else name

    @cached_property
    def outcome(self) -> ClassOutcome | NumberOutcome:
        """The scores of the predictions."""
        kind = ClassOutcome if self.dataset.classes else NumberOutcome
        return kind.of(self.dataset, self.folds, self.result)

    @property
    def transductive(self) -> bool:
        """Whether features were normalised with statistics of tested speakers."""
        return self.options.normalize == "speaker"

    @cached_property
    def metrics(self) -> Json:
        """The content of ``metrics.json``, without times and absolute paths, so that equal runs
        give equal bytes."""
        data = self.dataset
        return {
            **self.outcome.as_json(),
            **({"tuned": self.tuned.as_json()} if self.tuned else {}),
            "transductive": self.transductive,
            "utterances": len(data.y),
            "folds": [
                {
                    "fold": number,
                    "speakers": self.speakers(number),
                    "utterances": len(test),
                    **self.outcome.fold_json(number),
                }
                for number, (_, test) in enumerate(self.folds.parts)
            ],
            "split": self.folds.kind,
            **({"fold_audit": self.folds.audit.as_json()} if self.folds.audit else {}),
            **encoder_json(data.described),
            "corpora": data.corpora,
            "fingerprint": data.fingerprint,
            "options": self.options.as_json() | data.features.as_json(),
        }

    def predictions(self) -> Iterator[list[str]]:
        """The rows of ``predictions.csv``, the header first."""
        table = self.dataset.utterances
        about = zip(table["id"], table["speaker"], self.folds.fold, strict=True)
        rows = self.outcome.predictions(self.dataset, self.result)
        yield ["id", "speaker", "fold", *next(rows)]
        for values, row in zip(about, rows, strict=True):
            yield [*map(str, values), *row]

    def speakers(self, fold: int) -> list[str]:
        """Speakers of a test part; empty: they are unknown."""
        _, test = self.folds.parts[fold]
        return sorted(set(self.dataset.speakers[test])) if self.folds.by_speaker else []

    @cached_property
    def attention(self) -> npt.NDArray[np.float64] | None:
        """(utterance, step) attention to the test parts by heads of the first seed; NaN after an
        utterance's last step; None of heads without attention."""
        found = [fit.attention for fit in self.result.fits[0] if fit.attention is not None]
        if len(found) < len(self.folds):
            return None
        joined = np.full((len(self.dataset.y), max(each.shape[1] for each in found)), np.nan)
        for (_, test), each in zip(self.folds.parts, found, strict=True):
            joined[test, : each.shape[1]] = np.where(each > 0, each, np.nan)
        return joined

    def most_probable(self) -> list[int]:
        """For each class, the correctly predicted utterance with the highest probability."""
        y, probabilities = self.dataset.y, self.result.by_seed[0]
        sure = np.where(probabilities.argmax(1) == y, probabilities[np.arange(len(y)), y], 0)
        best = [int(np.where(y == number, sure, -1).argmax()) for number in np.unique(y)]
        return [row for row in best if sure[row] > 0]


def evaluate(options: Options, jobs: int = -1) -> Run:
    """Cross-validate the head that `options` name on the utterances that they select.

    Raises:
        CacheError, UsageError: the cache does not exist, or lacks what the options require.
        HeadError: the head cannot be fitted.
    """
    dataset, folds = divide(load(options), options)
    return evaluate_folds(options, dataset, folds, jobs)


def evaluate_folds(options: Options, dataset: Dataset, folds: Folds, jobs: int = -1) -> Run:
    """Cross-validate the head of `options` on given folds.

    Utterances that are in no test part are left out of the result.

    Raises:
        UsageError: the device is not there.
        HeadError: the head cannot learn from a training part.
    """
    if options.tune and dataset.by_fold:
        raise UsageError("--tune: not for caches with an encoder per fold; leave it out")
    tuned = None
    with naming(options.head, dataset.features):
        if options.tune and dataset.classes:  # `new_head` refuses to tune a regressor
            tuned = tune_head(options, dataset, folds, jobs)
            heads = [_by_seed(options, dataset, tuned.tried[n]) for n in tuned.chosen]
        else:
            heads = heads_of_folds(options, dataset, folds)
        result = cross_validate(dataset, heads, folds, jobs)
    if len(folds.tested) < len(dataset.y):
        tested = folds.tested
        dataset, folds = dataset.part(tested), folds.within(tested)
        result = result.part(tested)
    return Run(options, dataset, folds, result, tuned)


def tune_head(options: Options, dataset: Dataset, folds: Folds, jobs: int) -> Tuned:
    """Try the settings of ``--tune`` inside of each training part."""
    tried = draw(options.head, options.tune, options.seed, options.fixed)

    def head(settings: Settings) -> Any:
        return new_head(options, dataset, settings)

    return tune(dataset, folds, tried, head, options.seed, jobs)


def heads_of_folds(options: Options, dataset: Dataset, folds: Folds) -> list[tuple[Any, ...]]:
    """For each fold, an unfitted head per seed: the same ones, unless each encoder has its own."""
    if find(options.head).finetuned:
        each = map(dataset.of_fold, range(len(folds)))
        return [_by_seed(options, one, {}) for one in each]
    return [_by_seed(options, dataset, {})] * len(folds)


def new_head(
    options: Options, dataset: Dataset, settings: Mapping[str, Any] | None = None, seed: int = 0
) -> Any:
    """Make the unfitted estimator of `options` for the features of `dataset`.

    Args:
        options: the head and its parameters.
        dataset: the features that it reads.
        settings: more parameters.
        seed: added to the seed of the options.

    Raises:
        UsageError: the device is not available, or an option needs classes and the target is
            numbers.
    """
    given = {**parameters(options, dataset, seed), **(settings or {})}
    if dataset.classes:
        return build(options.head, given)
    _require_regression(options)
    return build_regressor(options.head, given)


def _require_regression(options: Options) -> None:
    for flag, given in (
        ("--balance", options.balance),
        ("--C", options.C is not None),
        ("--tune", options.tune),
        ("--seeds", options.seeds > 1),
        ("--label-smoothing", options.training.label_smoothing is not None),
    ):
        if given:
            raise UsageError(f"{flag} is for classes; --target {options.target} is regressed")


def parameters(options: Options, dataset: Dataset, seed: int = 0) -> Json:
    """Parameters of the head of `options`."""
    head = find(options.head)
    given: Json = {"random_state": options.seed + seed} if head.random else {}
    if options.C is not None:
        given["C"] = options.C
    if options.balance:
        given["class_weight"] = "balanced"
    if head.finetuned:
        from classify.heads.finetuned import require_classes  # late: imports scikit-learn

        require_classes(dataset.encoder_location, dataset.classes)
        given["folder"] = dataset.encoder_location
    if head.neural:
        _require_device(options.device)
        given |= {**dataset.parameters, **options.training.given, "device": options.device}
        given["standardize"] = options.normalize != "none"
    return given


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
