"""Fit a head in every fold, and keep its predictions for the utterances of the test part."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from classify.dataset import Dataset
from classify.evaluation import scheduling
from classify.evaluation.folds import Folds, Rows
from classify.heads import NoOptimum
from classify.heads.probabilities import probabilities
from classify.stats import metrics
from data.errors import HeadError

log = logging.getLogger("wav2emo")

WORKER_START = 4.0  # seconds that new processes need for imports

History = dict[str, list[float]]  # curve → one value an epoch
Parts = Sequence[tuple[Rows, Rows]]  # training and test rows
T = TypeVar("T")


@contextlib.contextmanager
def learning_from(utterances: int) -> Iterator[None]:
    """Turn the ValueError of a fit into a `HeadError`."""
    try:
        yield
    except NoOptimum:
        raise
    except ValueError as error:
        raise HeadError(f"the head cannot learn from {utterances} utterances: {error}") from error


@contextlib.contextmanager
def converging(head: Any) -> Iterator[None]:
    """Turn scikit-learn's `ConvergenceWarning` into an error.

    Raises:
        NoOptimum: the head does not converge.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as warning:
            parameters = head.get_params().items()
            C = [value for name, value in parameters if name.rpartition("__")[2] == "C"]
            raise (NoOptimum.by_C(*C) if C else NoOptimum(str(warning))) from warning


@dataclass(frozen=True)
class FoldResult:
    """Predictions of a fitted head for the test part of its fold, and how it was trained."""

    output: npt.NDArray[np.float64]  # (test utterance, class) probabilities, or (…, target) numbers
    history: History = field(default_factory=dict)  # empty: the head has no epochs
    epoch: int | None = None  # from 1, the one whose parameters were kept
    layer_weights: npt.NDArray[np.float64] | None = None  # (layer,), of a head that mixes layers
    attention: npt.NDArray[np.float64] | None = None  # (test utterance, step)


@dataclass(frozen=True)
class CrossValidation:
    """Predictions for the utterances of all test parts."""

    fold: npt.NDArray[np.intp]  # (utterance,); -1: it is not tested
    by_seed: npt.NDArray[np.float64]  # (seed, utterance, class or target), see `FoldResult.output`
    fits: list[list[FoldResult]]  # of each seed, one a fold

    def part(self, rows: Rows) -> "CrossValidation":
        """The predictions for some utterances."""
        return replace(self, fold=self.fold[rows], by_seed=self.by_seed[:, rows])

    @property
    def output(self) -> npt.NDArray[np.float64]:
        """(utterance, class or target), the mean of the seeds."""
        return self.by_seed.mean(0)

    @property
    def prediction(self) -> npt.NDArray[np.intp]:
        """(utterance,) number of the class that is most probable in the mean of the seeds."""
        return self.output.argmax(1)

    @property
    def histories(self) -> list[History]:
        """Training curves of all seeds and folds; empty for heads without epochs."""
        return [fit.history for fits in self.fits for fit in fits if fit.history]

    @property
    def layer_weights(self) -> npt.NDArray[np.float64] | None:
        """(fit, layer) weights of the layers; None for heads without a mix."""
        fits = [fit for of_seed in self.fits for fit in of_seed]
        weights = [fit.layer_weights for fit in fits if fit.layer_weights is not None]
        return np.stack(weights) if weights else None

    def confusions(self, truth: npt.NDArray[np.intp]) -> metrics.Counts:
        """(seed, fold, truth, prediction) counts."""
        classes = self.by_seed.shape[2]
        rows = [self.fold == number for number in range(self.fold.max() + 1)]
        return np.stack(
            [
                [metrics.confusion(truth[test], predicted[test], classes) for test in rows]
                for predicted in self.by_seed.argmax(2)
            ]
        )


Heads = tuple[Any, ...]  # unfitted estimators that differ in their seed alone


def cross_validate(
    dataset: Dataset, heads: Sequence[Heads], folds: Folds, jobs: int = -1
) -> CrossValidation:
    """Fit clones of each fold's heads, scalers included, to the training part of the fold.

    Args:
        dataset: the utterances.
        heads: for each fold, one head per seed. Folds with the same tuple object are fitted
            together. Use separate tuples for heads that were chosen inside of the folds, since
            fitting together affects rounding, which must not depend on the choices of other folds.
        folds: training and test parts.
        jobs: largest number of processes; -1: one per core. Results do not depend on it.

    Raises:
        HeadError: a head cannot be fitted to a training part.
    """
    seeds = len(heads[0])
    found: list[dict[int, FoldResult]] = [{} for _ in range(seeds)]  # of each seed, fold → result
    for some in {id(some): some for some in heads}.values():
        numbers = [number for number, its in enumerate(heads) if its is some]
        fits = _fit_folds(some, dataset, folds, numbers, jobs)
        for of_folds, of_seed in zip(found, fits, strict=True):
            of_folds.update(zip(numbers, of_seed, strict=True))
    shape = seeds, len(dataset.y), len(dataset.classes or dataset.targets)
    by_seed = np.full(shape, np.nan)  # of what is not tested
    for of_folds, output in zip(found, by_seed, strict=True):
        for number, fit in of_folds.items():
            output[folds.parts[number][1]] = fit.output
    in_order = [[of_folds[number] for number in range(len(folds))] for of_folds in found]
    return CrossValidation(folds.fold, by_seed, in_order)


def _fit_folds(
    heads: Heads, dataset: Dataset, folds: Folds, numbers: Sequence[int], jobs: int
) -> list[list[FoldResult]]:
    """Fit heads to some folds; with an encoder per fold, one fold after the other."""
    if not dataset.by_fold:
        return fit_parts(heads, dataset, [folds.parts[number] for number in numbers], jobs, True)
    each = [
        fit_parts(heads, dataset.of_fold(number), [folds.parts[number]], jobs, True)
        for number in numbers
    ]
    return [[fits[seed][0] for fits in each] for seed in range(len(heads))]


def fit_parts(
    heads: Heads, dataset: Dataset, parts: Parts, jobs: int = -1, look: bool = False
) -> list[list[FoldResult]]:
    """Fit clones of `heads` to each of many training parts, and predict their test parts.

    Args:
        heads: unfitted heads that differ only in their seed.
        dataset: the utterances.
        parts: rows to train on, and to test.
        jobs: as of `cross_validate`.
        look: whether training curves include the test parts.

    Returns:
        For each head, one result per part.
    """
    head = heads[0]
    if hasattr(head, "fit_folds"):
        return _neural(heads, dataset, parts, look)
    if hasattr(head, "fold_probabilities") and not getattr(head, "class_weight", None):
        return [_linear(head, dataset, parts)] * len(heads)
    shared = dataset.X, dataset.y
    return [
        [FoldResult(output) for output in each_fold(partial(_fit, head), shared, parts, jobs)]
        for head in heads
    ]


def _masks(dataset: Dataset, parts: Parts, side: int) -> npt.NDArray[np.bool_]:
    """(part, utterance) whether it is in the training part (side 0) or the test part (side 1)."""
    masks = np.zeros((len(parts), len(dataset.y)), bool)
    for row, part in zip(masks, parts, strict=True):
        row[part[side]] = True
    return masks


def _linear(head: Any, dataset: Dataset, parts: Parts) -> list[FoldResult]:
    """Fit a deterministic linear head to all parts in one batch."""
    train = _masks(dataset, parts, 0)
    with learning_from(int(train.sum(1).min())):
        found = head.fold_probabilities(dataset.X, dataset.y, train)
    return [
        FoldResult(output[test].astype(np.float64))
        for output, (_, test) in zip(found, parts, strict=True)
    ]


def _neural(heads: Heads, dataset: Dataset, parts: Parts, look: bool) -> list[list[FoldResult]]:
    """Train neural heads on all parts and with all seeds at once."""
    look = look and bool(dataset.classes)  # regressors draw no curves
    train = np.tile(_masks(dataset, parts, 0), (len(heads), 1))
    watch = np.tile(_masks(dataset, parts, 1), (len(heads), 1)) if look else None
    seeds = np.repeat([head.random_state for head in heads], len(parts)).tolist()
    speakers = dataset.speakers if dataset.speakers_known else None
    with learning_from(int(train.sum(1).min())):
        fitted = heads[0].fit_folds(dataset.X, dataset.y, train, seeds, speakers, watch)
        fits = [
            FoldResult(
                output=_output(head, dataset.X[test]),
                history=head.history_,
                epoch=head.epoch_,
                layer_weights=head.layer_weights_ if len(head.layer_weights_) > 1 else None,
                attention=head.attention(dataset.X[test]) if look else None,
            )
            for head, (_, test) in zip(fitted, [*parts] * len(heads), strict=True)
        ]
    return [fits[start : start + len(parts)] for start in range(0, len(fits), len(parts))]


def _output(head: Any, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(utterance, class) probabilities of a classifier, or (utterance, target) of a regressor.

    Raises:
        ValueError: an output is not finite.
    """
    if is_classifier(head):
        return probabilities(head, X)
    found = head.predict(X).reshape(len(X), -1)
    if not np.isfinite(found).all():
        raise ValueError("it predicts NaN or infinity")
    return found


def each_fold(
    fit: Callable[..., T], shared: tuple[Any, ...], parts: Parts, jobs: int
) -> Iterator[T]:
    """``fit(*shared, training rows, test rows)`` of each part, in their order.

    With a scheduler, its workers fit all parts. Otherwise two parts are fitted in this process, and
    the others in new processes if this saves time.
    """
    quiet = True if not log.isEnabledFor(logging.INFO) else None  # None: only on a terminal
    spreading = scheduling.client() is not None
    fitted = (
        scheduling.spread(_fit_part, parts, fit, shared)
        if spreading
        else _fit_all(fit, shared, parts, jobs)
    )
    yield from tqdm(fitted, "folds", len(parts), disable=quiet)


def _fit_part(fit: Callable[..., T], shared: tuple[Any, ...], part: tuple[Rows, Rows]) -> T:
    return fit(*shared, *part)


def _fit_all(
    fit: Callable[..., T], shared: tuple[Any, ...], parts: Parts, jobs: int
) -> Iterator[T]:
    ahead = iter(parts)
    for part in islice(ahead, 2):  # the second is timed, since the first includes imports
        began = time.perf_counter()
        yield fit(*shared, *part)
        seconds = time.perf_counter() - began
    rest = list(ahead)
    workers = max(1, min(effective_n_jobs(jobs), len(rest)))
    if seconds * len(rest) * (1 - 1 / workers) < WORKER_START:
        workers = 1
    parallel = Parallel(workers, return_as="generator")
    yield from parallel(delayed(fit)(*shared, *part) for part in rest)


def _fit(
    head: Any, X: npt.NDArray[np.float32], y: npt.NDArray, train: Rows, test: Rows
) -> npt.NDArray[np.float64]:
    """One fold: `FoldResult.output`.

    It uses one thread, so that rounding does not depend on other processes.
    """
    with learning_from(len(train)), threadpool_limits(1), converging(head):
        fitted = clone(head).fit(check_array(X[train]), y[train])
        found = _output(fitted, X[test])
    if not is_classifier(head):
        return found
    output = np.zeros((len(test), y.max() + 1))  # a class that training lacks has probability 0
    output[:, fitted.classes_] = found
    return output
