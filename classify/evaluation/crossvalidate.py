"""Fit a head in every fold, and keep its predictions for the utterances of the test part."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

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
from classify.evaluation.folds import Folds, Parts, Rows, masks
from classify.heads import NoOptimum
from classify.heads.probabilities import probabilities
from classify.stats import metrics
from data.errors import HeadError

log = logging.getLogger("wav2emo")

WORKER_START = 4.0  # seconds that new processes need for imports

History = dict[str, list[float]]  # curve → one value an epoch
Output = npt.NDArray[np.float64]  # (test utterance, class) probabilities, or (…, target) numbers
Part = tuple[Rows, Rows]  # training and test rows


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

    output: Output
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
        tested, classes = self.fold >= 0, self.by_seed.shape[2]
        predicted = self.by_seed.argmax(2)[:, tested]
        counts = metrics.confusions(truth[tested], predicted, self.fold[tested], classes)
        return counts.swapaxes(0, 1)


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
    together: dict[tuple[int, int], list[int]] = {}  # folds that are fitted in one batch
    for number, some in enumerate(heads):
        encoder = number if dataset.by_fold else 0
        together.setdefault((id(some), encoder), []).append(number)
    results: dict[int, tuple[FoldResult, ...]] = {}  # fold → its result of each seed
    for numbers in together.values():
        data, parts = dataset.of_fold(numbers[0]), [folds.parts[number] for number in numbers]
        fits = fit_parts(heads[numbers[0]], data, parts, jobs, watched=True)
        results |= zip(numbers, zip(*fits, strict=True), strict=True)
    shape = len(heads[0]), len(dataset.y), len(dataset.classes or dataset.targets)
    by_seed = np.full(shape, np.nan)  # of what is not tested
    for number, (_, test) in enumerate(folds.parts):
        by_seed[:, test] = [fit.output for fit in results[number]]
    in_order = zip(*(results[number] for number in range(len(folds))), strict=True)
    return CrossValidation(folds.fold, by_seed, list(map(list, in_order)))


def fit_parts(
    heads: Heads, dataset: Dataset, parts: Parts, jobs: int = -1, watched: bool = False
) -> list[list[FoldResult]]:
    """Fit clones of `heads` to each of many training parts, and predict their test parts.

    Args:
        heads: unfitted heads that differ only in their seed.
        dataset: the utterances.
        parts: rows to train on, and to test.
        jobs: as of `cross_validate`.
        watched: whether the training curves of classifiers include the test parts.

    Returns:
        For each head, one result per part.
    """
    head = heads[0]
    if hasattr(head, "fit_folds"):
        return _neural(heads, dataset, parts, watched and bool(dataset.classes))
    if hasattr(head, "fold_probabilities") and not getattr(head, "class_weight", None):
        return [_linear(head, dataset, parts)] * len(heads)
    return [[FoldResult(output) for output in _each(head, dataset, parts, jobs)] for head in heads]


def _linear(head: Any, dataset: Dataset, parts: Parts) -> list[FoldResult]:
    """Fit a deterministic linear head to all parts in one batch."""
    train = masks([train for train, _ in parts], len(dataset.y))
    with learning_from(int(train.sum(1).min())):
        found = head.fold_probabilities(dataset.X, dataset.y, train)
    return [
        FoldResult(output[test].astype(np.float64))
        for output, (_, test) in zip(found, parts, strict=True)
    ]


def _neural(heads: Heads, dataset: Dataset, parts: Parts, watched: bool) -> list[list[FoldResult]]:
    """Train neural heads on all parts and with all seeds at once."""
    train, test = (masks(rows, len(dataset.y)) for rows in zip(*parts, strict=True))
    train = np.tile(train, (len(heads), 1))
    watch = np.tile(test, (len(heads), 1)) if watched else None
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
                attention=head.attention(dataset.X[test]) if watched else None,
            )
            for head, (_, test) in zip(fitted, [*parts] * len(heads), strict=True)
        ]
    return [fits[start : start + len(parts)] for start in range(0, len(fits), len(parts))]


def _output(head: Any, X: npt.NDArray[np.float32]) -> Output:
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


def _each(head: Any, dataset: Dataset, parts: Parts, jobs: int) -> Iterator[Output]:
    """`FoldResult.output` of a head that is fitted to one part after the other.

    With a scheduler, its workers fit all parts. Otherwise two parts are fitted in this process, and
    the others in new processes if this saves time.
    """
    quiet = True if not log.isEnabledFor(logging.INFO) else None  # None: only on a terminal
    fit = partial(_fit, head)
    if scheduling.client() is not None:
        fitted = scheduling.spread(fit, parts, dataset.X, dataset.y)
    else:
        fitted = _in_processes(fit, (dataset.X, dataset.y), parts, jobs)
    yield from tqdm(fitted, "folds", len(parts), disable=quiet)


def _in_processes(
    fit: Callable[..., Output], shared: tuple[npt.NDArray, ...], parts: Parts, jobs: int
) -> Iterator[Output]:
    ahead = iter(parts)
    for part in islice(ahead, 2):  # the second is timed, since the first includes imports
        began = time.perf_counter()
        yield fit(*shared, part)
        seconds = time.perf_counter() - began
    rest = list(ahead)
    workers = max(1, min(effective_n_jobs(jobs), len(rest)))
    if seconds * len(rest) * (1 - 1 / workers) < WORKER_START:
        workers = 1
    parallel = Parallel(workers, return_as="generator")
    yield from parallel(delayed(fit)(*shared, part) for part in rest)


def _fit(head: Any, X: npt.NDArray[np.float32], y: npt.NDArray, part: Part) -> Output:
    """Fit a clone of the head to the training part.

    It uses one thread, so that rounding does not depend on other processes.
    """
    train, test = part
    with learning_from(len(train)), threadpool_limits(1), converging(head):
        fitted = clone(head).fit(check_array(X[train]), y[train])
        found = _output(fitted, X[test])
    if not is_classifier(head):
        return found
    output = np.zeros((len(test), y.max() + 1))  # a class that training lacks has probability 0
    output[:, fitted.classes_] = found
    return output
