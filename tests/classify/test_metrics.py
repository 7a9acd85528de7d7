"""Metrics, compared with scikit-learn on random predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from classify.stats import metrics
from classify.stats.scores import Scores

CLASSES = 4
answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(answers)
def test_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, prediction = np.array(pairs).T
    counts = metrics.confusion(truth, prediction, CLASSES)
    labels = list(range(CLASSES))
    np.testing.assert_array_equal(counts, oracle.confusion_matrix(truth, prediction, labels=labels))
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        truth, prediction, labels=labels, zero_division=0
    )
    np.testing.assert_allclose(metrics.precision(counts), precision)
    np.testing.assert_allclose(metrics.recall(counts), recall)
    np.testing.assert_allclose(metrics.f1(counts), f1)
    expected = {
        "accuracy": oracle.accuracy_score(truth, prediction),
        "uar": oracle.recall_score(
            truth, prediction, labels=np.unique(truth), average="macro", zero_division=0
        ),
        "f1_macro": oracle.f1_score(truth, prediction, average="macro", zero_division=0),
        "f1_weighted": oracle.f1_score(truth, prediction, average="weighted", zero_division=0),
    }
    scores = Scores.without_intervals(counts, "abcd")
    assert scores.values == pytest.approx(expected)
    rows = scores.per_class.values()
    assert [row.support for row in rows] == support.tolist()
    assert [row.f1 for row in rows] == pytest.approx(f1.tolist())


@given(st.lists(answers, min_size=1, max_size=4))
def test_a_stack_gives_each_of_its_matrices(stack: list[list[tuple[int, int]]]) -> None:
    counts = np.stack([metrics.confusion(*np.array(pairs).T, CLASSES) for pairs in stack])
    for score in (metrics.accuracy, metrics.uar, metrics.f1_macro, metrics.f1_weighted):
        np.testing.assert_allclose(score(counts), [score(matrix) for matrix in counts])


@pytest.mark.parametrize(
    ("truth", "prediction"), [([0, 1], [0]), ([0, 4], [0, 1]), ([0, 1], [-1, 1])]
)
def test_refuses_what_is_no_class(truth: list[int], prediction: list[int]) -> None:
    with pytest.raises(ValueError, match="got"):
        metrics.confusion(np.array(truth), np.array(prediction), CLASSES)
