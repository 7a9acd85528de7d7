"""Scores of a classifier, all computed from its confusion matrix, and the registry `METRICS`.

Every function takes a confusion matrix (…, truth, prediction) of counts and works on each of a
stack of them at once. Where a quotient has no denominator, it is 0.

To add a metric, write its function and register it. The terminal's table, the JSON files, the
reports, comparisons, scores by speaker and intervals follow from the entry.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.number]
Values = npt.NDArray[np.float64]


def confusion(
    truth: npt.NDArray[np.integer], prediction: npt.NDArray[np.integer], classes: int
) -> Counts:
    """Count C[i, j], the utterances of class i that were taken for class j.

    Args:
        truth: (utterance,) class numbers, from 0 to `classes` - 1.
        prediction: (utterance,) likewise.
        classes: how many classes there are.

    Raises:
        ValueError: the two differ in length, or a number is out of range.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"got {truth.shape} truths and {prediction.shape} predictions")
    for numbers in (truth, prediction):
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < classes:
            raise ValueError(f"got classes {numbers.min()} to {numbers.max()} of {classes}")
    counts = np.bincount(truth * classes + prediction, minlength=classes**2)
    return counts.reshape(classes, classes)


def confusions(
    truth: npt.NDArray[np.integer],
    predictions: npt.NDArray[np.integer],
    groups: npt.NDArray[np.integer],
    classes: int,
) -> Counts:
    """(group, rater, truth, prediction) counts of the predictions of several raters, by group.

    Args:
        truth: (utterance,) class numbers, from 0 to `classes` - 1.
        predictions: (rater, utterance) likewise; a rater is a head, or a layer.
        groups: (utterance,) number of the group, such as the speaker.
        classes: how many classes there are.

    >>> confusions(np.array([0, 1]), np.array([[0, 1]]), np.array([0, 1]), 2).tolist()
    [[[[1, 0], [0, 0]]], [[[0, 0], [0, 1]]]]
    """
    raters = len(predictions)
    rater = np.arange(raters)[:, None]
    cell = ((groups * raters + rater) * classes + truth) * classes + predictions
    counts = np.bincount(cell.ravel(), minlength=(groups.max() + 1) * raters * classes**2)
    return counts.reshape(-1, raters, classes, classes)


def accuracy(counts: Counts) -> Values:
    """Share of correctly predicted utterances: Σᵢ Cᵢᵢ / Σᵢⱼ Cᵢⱼ.

    >>> float(accuracy(np.array([[3, 1], [1, 1]])))
    0.6666666666666666
    """
    return _ratio(_hits(counts).sum(-1), counts.sum((-2, -1)))


def recall(counts: Counts) -> Values:
    """Share of each class that is found, (…, class): Cᵢᵢ / Σⱼ Cᵢⱼ.

    >>> recall(np.array([[3, 1], [1, 1]]))
    array([0.75, 0.5 ])
    """
    return _ratio(_hits(counts), counts.sum(-1))


def precision(counts: Counts) -> Values:
    """Share of the predictions of each class that are right, (…, class): Cⱼⱼ / Σᵢ Cᵢⱼ.

    >>> precision(np.array([[3, 1], [0, 1]]))
    array([1. , 0.5])
    """
    return _ratio(_hits(counts), counts.sum(-2))


def f1(counts: Counts) -> Values:
    """Harmonic mean of precision and recall of each class, (…, class): 2 Cᵢᵢ / Σⱼ (Cᵢⱼ + Cⱼᵢ).

    >>> f1(np.array([[2, 0], [2, 0]]))
    array([0.66666667, 0.        ])
    """
    return _ratio(2 * _hits(counts), counts.sum(-1) + counts.sum(-2))


def uar(counts: Counts) -> Values:
    """Unweighted average recall: the mean of the recalls of the classes that occur in the truth.

    The measure of the Interspeech challenges since Schuller, Steidl and Batliner 2009, The
    INTERSPEECH 2009 Emotion Challenge: frequent classes weigh no more than rare ones, and chance
    is one over the number of classes. Also known as balanced accuracy.

    >>> float(uar(np.array([[3, 1, 0], [1, 1, 0], [0, 0, 0]])))
    0.625
    """
    occurs = counts.sum(-1) > 0
    return _ratio(recall(counts).sum(-1, where=occurs), occurs.sum(-1))


def f1_macro(counts: Counts) -> Values:
    """Mean F1 of the classes that occur in truth or prediction.

    >>> float(f1_macro(np.array([[2, 0], [2, 0]])))
    0.3333333333333333
    """
    occurs = counts.sum(-1) + counts.sum(-2) > 0
    return _ratio(f1(counts).sum(-1, where=occurs), occurs.sum(-1))


def f1_weighted(counts: Counts) -> Values:
    """Mean F1 of the classes, each weighted by its share of the truth.

    >>> float(f1_weighted(np.array([[4, 0], [0, 2]])))
    1.0
    """
    support = counts.sum(-1)
    return _ratio((f1(counts) * support).sum(-1), support.sum(-1))


@dataclass(frozen=True)
class Metric:
    """A registered score.

    Args:
        name: its key in JSON.
        label: its heading in tables.
        function: from counts (…, truth, prediction) to scores (…).
        low: the least value that it can have.
        high: the largest.
        of_class: the score (…, class) of which it is the mean over the classes. It gives intervals
            over classes; None: there are none.
        by_support: whether that mean is weighted by the utterances of the classes.
    """

    name: str
    label: str
    function: Callable[[Counts], Values]
    low: float = 0.0
    high: float = 1.0
    of_class: Callable[[Counts], Values] | None = None
    by_support: bool = False

    def __call__(self, counts: Counts) -> Values:
        """Scores (…) of counts (…, truth, prediction)."""
        return self.function(counts)


METRICS: dict[str, Metric] = {}


def register(metric: Metric) -> None:
    """Add a metric to `METRICS`.

    Raises:
        ValueError: its name is taken.
    """
    if metric.name in METRICS:
        raise ValueError(f"metric {metric.name} is registered already: choose another name")
    METRICS[metric.name] = metric


register(Metric("uar", "UAR", uar, of_class=recall))
register(Metric("accuracy", "accuracy", accuracy, of_class=recall, by_support=True))
register(Metric("f1_macro", "F1 macro", f1_macro, of_class=f1))
register(Metric("f1_weighted", "F1 weighted", f1_weighted, of_class=f1, by_support=True))


def _hits(counts: Counts) -> Counts:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Values:
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
