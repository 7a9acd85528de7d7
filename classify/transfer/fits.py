"""Fit a head to the training part of each cell, and predict its test part."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from classify.evaluation.crossvalidate import converging
from classify.evaluation.folds import Rows
from classify.features import Matrix
from classify.heads.linear.batched import DEFAULT_C, Problems, log_probabilities
from classify.heads.probabilities import probabilities
from classify.transfer.cells import Cell
from classify.transfer.shift import coral, prior_shift
from data.errors import UsageError

AT_ONCE = 1 << 28  # bytes of probabilities

Probabilities = npt.NDArray[np.float64]  # (tested utterance, class of the cell)
Part = tuple[Rows, Rows]


def linear(
    head: str, C: float | None, X: Matrix, y: Rows, classes: int, cells: Sequence[Cell]
) -> list[Probabilities]:
    """Probabilities of each cell by a linear head, in batches of fits; equal training parts are
    fitted once.

    Args:
        head: of `DEFAULT_C`.
        C: inverse strength of regularisation; None: the head's own.
        X: (utterance, dim).
        y: (utterance,) class numbers.
        classes: how many there are.
        cells: see `Cell`.
    """
    whole = [cell for cell in cells if len(cell.parts) == 1]
    outputs = iter(_in_one_batch(head, C, X, y, classes, whole)) if whole else iter(())
    found = []
    for cell in cells:
        if len(cell.parts) == 1:
            found.append(next(outputs))
        else:  # its folds share most of their training part: the other utterances only cost time
            rows = cell.rows_used
            found += _in_one_batch(head, C, X[rows], y[rows], classes, [cell.within(rows)])
    return found


def _in_one_batch(
    head: str, C: float | None, X: Matrix, y: Rows, classes: int, cells: Sequence[Cell]
) -> list[Probabilities]:
    parts = [part for cell in cells for part in cell.parts]
    keys = [train.tobytes() for train, _ in parts]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    masks = np.zeros((len(number), len(y)), bool)
    for key, (train, _) in zip(keys, parts, strict=True):
        masks[number[key], train] = True
    users: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        users.setdefault(number[key], []).append(place)
    found: dict[int, npt.NDArray] = {}
    step = max(1, AT_ONCE // (4 * len(y) * classes))
    for first in range(0, len(masks), step):
        problems = Problems(masks[first : first + step], y, classes, C or DEFAULT_C[head])
        for fit, of_fit in enumerate(log_probabilities(head, X, problems), first):
            found.update((place, of_fit[parts[place][1]]) for place in users[fit])
    of_parts = iter(np.exp(found[place].astype(np.float64)) for place in range(len(parts)))
    return [_joined([next(of_parts) for _ in cell.parts], cell) for cell in cells]


def plain(head: Any, X: Matrix, y: Rows, classes: int, cells: Sequence[Cell],
          jobs: int = -1) -> list[Probabilities]:  # fmt: skip
    """The same by clones of any estimator, fit by fit."""
    parts = [part for cell in cells for part in cell.parts]
    fitted = iter(Parallel(jobs)(delayed(_fit)(head, X, y, classes, *part) for part in parts))
    return [_joined([next(fitted) for _ in cell.parts], cell) for cell in cells]


def balanced(
    head: Any, X: Matrix, y: Rows, domain: Rows, classes: int, cells: Sequence[Cell]
) -> list[Probabilities]:
    """The same with utterances weighted so that all corpora of a training part count alike.

    Raises:
        UsageError: the head takes no weights.
    """
    if "sample_weight" not in inspect.signature(head.fit).parameters:
        raise UsageError("--balance corpus: the head takes no weights; --heads logreg does")
    found = []
    for cell in cells:
        outputs = []
        for train, test in cell.parts:
            counts = np.bincount(domain[train])
            weights = len(train) / (counts > 0).sum() / counts[domain[train]]
            outputs.append(_fit(head, X, y, classes, train, test, sample_weight=weights))
        found.append(_joined(outputs, cell))
    return found


def aligned(
    fit: Callable[[Matrix, Rows, list[Cell]], list[Probabilities]],
    X: Matrix,
    y: Rows,
    cells: Sequence[Cell],
) -> list[Probabilities]:
    """The same after `coral`, of cells with one part; `fit` takes features, classes and cells."""
    found = []
    for cell in cells:
        ((train, test),) = cell.parts
        both = np.concatenate(coral(X[train], X[test]))
        rows = np.arange(len(both))
        moved = Cell(cell.trained, cell.tested, cell.kind,
                     ((rows[: len(train)], rows[len(train) :]),), cell.classes)  # fmt: skip
        found += fit(both, np.concatenate([y[train], y[test]]), [moved])
    return found


def corrected(cell: Cell, y: Rows, found: Probabilities) -> Probabilities:
    """Probabilities of a cell with one part after `prior_shift`."""
    counts = np.array([(y[cell.parts[0][0]] == number).sum() for number in cell.classes])
    return prior_shift(found, counts / counts.sum())[0]


def _fit(
    head: Any, X: Matrix, y: Rows, classes: int, train: Rows, test: Rows, **weights: Any
) -> npt.NDArray[np.float64]:
    """(tested utterance, class) probabilities by one fit."""
    with threadpool_limits(1), converging(head):
        fitted = clone(head).fit(X[train], y[train], **weights)
    found = np.zeros((len(test), classes))
    found[:, fitted.classes_.astype(np.intp)] = probabilities(fitted, X[test])
    return found


def _joined(outputs: Sequence[npt.NDArray], cell: Cell) -> Probabilities:
    """Fold after fold, of the classes of the cell, which sum to 1."""
    found = np.concatenate(outputs)[:, cell.classes]
    return found / np.maximum(found.sum(1, keepdims=True), np.finfo(np.float64).tiny)
