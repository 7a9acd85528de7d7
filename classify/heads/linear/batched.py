"""Fit one linear head to many problems that share a feature matrix, all at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from classify.heads.linear.jobs import Job, Linear, closed_form_jobs, softmax_jobs
from classify.heads.linear.problems import Problems, Rows

__all__ = ["DEFAULT_C", "Problems", "log_probabilities", "predictions", "weights"]

DEFAULT_C = {"logreg": 0.01, "ridge": 0.001, "lda": 1.0}  # head → C

Finish = Callable[[npt.NDArray, Callable[[], Linear]], Any]  # of logits, and of weights


def log_probabilities(
    head: str, X: npt.NDArray[np.floating], problems: Problems
) -> npt.NDArray[np.float32]:
    """Fit `head` to every problem and predict all utterances with each fit.

    Every problem standardises the features by the mean and deviation of its own training part, as
    scikit-learn's `StandardScaler` does, and then fits

    - ``logreg``: multinomial logistic regression, the optimum of `LogisticRegression(C=C)` to 1e-4
      of its objective
    - ``ridge``: `RidgeClassifier(alpha=1 / C)`; its "probabilities" are the softmax of its scores
    - ``lda``: `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1 / (1 + C))`

    Args:
        head: logreg, ridge or lda.
        X: (utterance, dim) features.
        problems: what each fit is trained on.

    Returns:
        (problem, utterance, class) log-probabilities, of training and test utterances; -inf for a
        class that is absent from the problem's training part.

    Raises:
        ValueError: X is not finite, or a training part has fewer than two classes.
        NoOptimum: a fit does not converge.
    """
    found = np.empty((len(problems), len(X), problems.classes), np.float32)
    for rows, part in _fitted(head, X, problems, lambda logits, _: _log_softmax(logits)):
        found[rows] = part
    return found


def predictions(head: str, X: npt.NDArray[np.floating], problems: Problems) -> npt.NDArray[np.intp]:
    """(problem, utterance) the most probable class; `log_probabilities` in less memory."""
    found = np.empty((len(problems), len(X)), np.intp)
    for rows, part in _fitted(head, X, problems, lambda logits, _: logits.argmax(0)):
        found[rows] = part
    return found


def weights(
    head: str, X: npt.NDArray[np.floating], problems: Problems
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Weights (problem, class, dim) and intercepts (problem, class) of the fits of
    `log_probabilities`, by which other utterances are predicted.

    They are of the features as they are, not standardised. The intercept of a class that is absent
    from a training part is -inf.
    """
    coefficients = np.empty((len(problems), problems.classes, X.shape[1]), np.float32)
    intercepts = np.empty((len(problems), problems.classes))
    for rows, (some, of_classes) in _fitted(head, X, problems, lambda _, linear: linear()):
        coefficients[rows], intercepts[rows] = some.swapaxes(0, 1), of_classes.T
    intercepts[~problems.present.T] = -np.inf
    return coefficients, intercepts


def _log_softmax(logits: npt.NDArray) -> npt.NDArray:
    """(problem, utterance, class) from logits (class, problem, utterance)."""
    logits = logits - logits.max(0)
    return np.moveaxis(logits - np.log(np.exp(logits).sum(0)), 0, 2)


def _fitted(
    head: str, X: npt.NDArray[np.floating], problems: Problems, finish: Finish
) -> Iterator[tuple[Rows, Any]]:
    """Yield some problems at a time with what `finish` makes of their logits and weights."""
    if not np.isfinite(X).all():
        raise ValueError("the features hold NaN or infinity")
    present = problems.present
    lacking = int((present.sum(0) < 2).sum())
    if lacking:
        raise ValueError(
            f"{lacking} of {len(problems)} training parts have one class; expected two or more"
        )

    def run(job: Job) -> list[tuple[Rows, Any]]:
        answers = []
        for rows, logits, linear in job():
            logits[~present[:, rows]] = -np.inf
            answers.append((rows, finish(logits, linear)))
        return answers

    with threadpool_limits(1), ThreadPoolExecutor(cpu_count()) as pool:
        if head == "logreg":
            jobs = softmax_jobs(X, problems)
        else:
            jobs = closed_form_jobs(head, X, problems)
        for answers in pool.map(run, jobs):
            yield from answers
