"""Fit a head in every fold and keep what it says about the utterances it has not seen."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from classify import metrics
from classify.dataset import Dataset
from classify.folds import Folds, Rows
from data.errors import HeadError

log = logging.getLogger("wav2emo")

WORKER_START = 4.0  # seconds that new processes need to import what a head needs

History = dict[str, list[float]]  # curve → one value an epoch
T = TypeVar("T")


@contextlib.contextmanager
def learning_from(utterances: int) -> Iterator[None]:
    """Turn what a head says against its training part into a `HeadError`."""
    try:
        yield
    except ValueError as error:
        raise HeadError(f"the head cannot learn from {utterances} utterances: {error}") from error


@dataclass(frozen=True)
class CrossValidation:
    """Every utterance as it was judged by the head that was not trained on its fold."""

    fold: npt.NDArray[np.intp]  # (utterance,)
    probabilities: npt.NDArray[np.float64]  # (utterance, class)
    histories: list[History]  # one a fold; none of heads without epochs

    @property
    def prediction(self) -> npt.NDArray[np.intp]:
        """(utterance,) number of the most probable class."""
        return self.probabilities.argmax(1)

    def confusions(self, truth: npt.NDArray[np.intp]) -> metrics.Counts:
        """(fold, truth, prediction) counts."""
        classes = self.probabilities.shape[1]
        return np.stack(
            [
                metrics.confusion(truth[rows], self.prediction[rows], classes)
                for rows in (self.fold == number for number in range(self.fold.max() + 1))
            ]
        )


def cross_validate(dataset: Dataset, head: Any, folds: Folds, jobs: int = -1) -> CrossValidation:
    """Fit a clone of `head` in each fold, whatever it learns, scaler included, inside of it.

    Args:
        dataset: the utterances.
        head: an unfitted classifier of scikit-learn's kind.
        folds: which utterances are on which side.
        jobs: at most so many processes; -1: one a core. Results do not depend on it.

    Raises:
        HeadError: the head cannot learn from a training part.
    """
    if hasattr(head, "fold_probabilities"):
        return _all_at_once(dataset, head, folds)
    fold = np.empty(len(dataset.y), np.intp)
    probabilities = np.empty((len(dataset.y), len(dataset.classes)))
    histories = []
    fit = partial(_fit, head, dataset.X, dataset.y)
    for number, (rows, history) in enumerate(each_fold(fit, folds, jobs)):
        test = folds.parts[number][1]
        fold[test], probabilities[test] = number, rows
        histories += [history] if history else []
    return CrossValidation(fold, probabilities, histories)


def _all_at_once(dataset: Dataset, head: Any, folds: Folds) -> CrossValidation:
    """Of heads that fit all folds in one batch."""
    with learning_from(int(folds.train.sum(1).min())):
        found = head.fold_probabilities(dataset.X, dataset.y, folds.train)
    rows = np.arange(len(dataset.y))
    return CrossValidation(folds.fold, found[folds.fold, rows].astype(np.float64), [])


Fitted = tuple[npt.NDArray[np.float64], History]


def each_fold(fit: Callable[[Rows, Rows], T], folds: Folds, jobs: int) -> Iterator[T]:
    """What `fit` gives for training and test rows of each fold, in their order.

    Two are fitted here, the rest in processes where that pays for their start.
    """
    quiet = True if not log.isEnabledFor(logging.INFO) else None  # None: only on a terminal
    yield from tqdm(_fit_all(fit, folds, jobs), "folds", len(folds), disable=quiet)


def _fit_all(fit: Callable[[Rows, Rows], T], folds: Folds, jobs: int) -> Iterator[T]:
    parts = iter(folds.parts)
    for part in islice(parts, 2):  # the first may also pay for imports; the second tells the time
        began = time.perf_counter()
        yield fit(*part)
        seconds = time.perf_counter() - began
    rest = list(parts)
    workers = max(1, min(effective_n_jobs(jobs), len(rest)))
    if seconds * len(rest) * (1 - 1 / workers) < WORKER_START:
        workers = 1
    parallel = Parallel(workers, return_as="generator")
    yield from parallel(delayed(fit)(*part) for part in rest)


def _fit(
    head: Any, X: npt.NDArray[np.float32], y: npt.NDArray[np.intp], train: Rows, test: Rows
) -> Fitted:
    """One fold: probabilities (test utterance, class) and the curves of its training.

    It computes on one thread, so that rounding does not depend on what runs beside it.
    """
    head = clone(head)
    options = {"monitor": (X[test], y[test])} if has_fit_parameter(head, "monitor") else {}
    with learning_from(len(train)), threadpool_limits(1):
        head.fit(X[train], y[train], **options)
        return head.predict_proba(X[test]), getattr(head, "history_", {})
