"""Fit a head to many training parts, and predict the test part of each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classify.dataset import Dataset
from classify.evaluation.crossvalidate import fit_parts, learning_from
from classify.evaluation.folds import Parts, Rows, masks
from classify.evaluation.run import new_head
from classify.evaluation.tuning import Settings
from classify.features import Matrix
from classify.heads import naming
from classify.heads.linear.batched import DEFAULT_C, Problems, log_probabilities, weights
from classify.heads.numpy_scores import softmax
from classify.options import Options

Strengths = Sequence[float] | npt.NDArray[np.float64] | float | None
Output = npt.NDArray[np.floating]  # (tested row, class) probabilities


def is_batched(options: Options) -> bool:
    """Whether `linear` fits the head."""
    return options.head in DEFAULT_C and not options.balance


def predict_parts(
    options: Options, data: Dataset, parts: Parts, settings: Settings | None = None, jobs: int = -1
) -> list[Output]:
    """Probabilities (tested row, class) of each part by the head of `options`.

    Args:
        options: the head and its parameters.
        data: the features.
        parts: rows to train on, and to test, sorted.
        settings: more parameters of the head.
        jobs: as of `classify.evaluation.crossvalidate.cross_validate`.

    Raises:
        HeadError: the head cannot be fitted to a training part.
    """
    with naming(options.head, data.features):
        if is_batched(options):
            C = (settings or {}).get("C", options.C)
            return linear(options.head, C, data.X, data.y, len(data.classes), parts)
        head = new_head(options, data, settings)
        return [fit.output for fit in fit_parts((head,), data, parts, jobs)[0]]


def linear(head: str, C: Strengths, X: Matrix, y: Rows, classes: int, parts: Parts) -> list[Output]:
    """Probabilities (tested row, class) of each part by a linear head, fitted in one batch.

    Args:
        head: of `DEFAULT_C`.
        C: inverse strength of regularisation, of all or of each part; None: the head's own.
        X: (row, dim).
        y: (row,) class numbers.
        classes: how many there are.
        parts: rows to train on, and to test, sorted.

    Raises:
        HeadError: the head cannot be fitted to a training part.
    """
    used = np.unique(np.concatenate([train for train, _ in parts]))
    train = masks([np.searchsorted(used, rows) for rows, _ in parts], len(used))
    tests = masks([rows for _, rows in parts], len(X))
    strengths = np.asarray(DEFAULT_C[head] if C is None else C, np.float64)
    with learning_from(int(train.sum(1).min())):
        problems = Problems(train, y[used], classes, strengths)
        if tests.any(0).sum() == tests[:, used].any(0).sum():  # predicted as they are fitted
            found = log_probabilities(head, X[used], problems)
            each = zip(found, parts, strict=True)
            return [np.exp(of_part[np.searchsorted(used, test)]) for of_part, (_, test) in each]
        of_features, intercepts = weights(head, X[used], problems)
    outputs = [np.empty((len(test), classes), np.float32) for _, test in parts]
    alike = np.unique(np.packbits(tests, axis=0), axis=1, return_inverse=True)[1].ravel()
    for rows in np.split(np.argsort(alike, kind="stable"), np.cumsum(np.bincount(alike))[:-1]):
        those = np.flatnonzero(tests[:, rows[0]]).tolist()  # parts that test these rows
        if not those:
            continue
        logits = X[rows] @ of_features[those].reshape(-1, X.shape[1]).T
        for number, some in zip(those, np.split(logits, len(those), axis=1), strict=True):
            place = np.searchsorted(parts[number][1], rows)
            outputs[number][place] = softmax(some + intercepts[number].astype(np.float32))
    return outputs
