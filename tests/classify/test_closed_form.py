"""Ridge regression and linear discriminants of many problems, compared with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from classify.heads.linear import LDA, Ridge
from classify.heads.linear.batched import Problems, log_probabilities


def theirs(head: str, C: float):
    """scikit-learn's way."""
    if head == "ridge":
        return make_pipeline(StandardScaler(), RidgeClassifier(alpha=1 / C))
    machine = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1 / (1 + C))
    return make_pipeline(StandardScaler(), machine)


@given(
    head=st.sampled_from(["ridge", "lda"]),
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([2, 10, 80]),
    classes=st.integers(2, 5),
    exponent=st.floats(-3, 2),
    own_labels=st.booleans(),
)
def test_every_problem_equals_scikit_learn(
    head: str, seed: int, dim: int, classes: int, exponent: float, own_labels: bool
) -> None:
    random, C = np.random.default_rng(seed), 10**exponent
    X = random.normal(size=(40, dim)).astype(np.float32)
    X[:, 0] = random.choice([1.0, 2.0])  # constant
    train = random.random((4, 40)) < 0.7
    train[:, :4] = True
    labels = random.integers(0, classes, (4, 40))
    labels[:, :4] = 0, 0, 1, 1
    labels[0, 5:] = np.minimum(labels[0, 5:], 1)  # perhaps without some classes
    y = labels if own_labels else labels[0]
    found = log_probabilities(head, X, Problems(train, y, classes, C))
    for number, shares in enumerate(np.exp(found)):
        known, own = train[number], labels[number if own_labels else 0]
        machine = theirs(head, C).fit(X[known].astype(float), own[known])
        scores = machine.decision_function(X.astype(float))
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], 1) / (1 if head == "ridge" else 2)
        expected = np.zeros((40, classes))
        expected[:, machine.classes_] = np.exp(scores - scores.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        np.testing.assert_allclose(shares, expected, atol=1e-4)


@pytest.mark.parametrize("head", [Ridge, LDA])
def test_estimator_is_one_of_scikit_learn(head) -> None:
    check_estimator(head())


@pytest.mark.parametrize("head", [Ridge(C=0.01), LDA(C=2.0)])
@pytest.mark.parametrize("dim", [5, 100])
def test_estimator_decides_as_scikit_learn(head, dim: int) -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, dim)), random.choice(["a", "b", "c"], 60)
    expected = theirs(head.name, head.C).fit(X, y).predict(X)
    assert (head.fit(X, y).predict(X) == expected).all()


def test_no_spread_within_classes_is_an_error() -> None:
    X = np.repeat([[0.0, 1.0], [1.0, 0.0]], 3, axis=0)
    with pytest.raises(ValueError, match="no class has two utterances that differ"):
        LDA().fit(X, np.repeat([0, 1], 3))
