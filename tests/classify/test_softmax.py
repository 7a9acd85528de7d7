"""Logistic regression of many problems at once, compared with scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from classify.heads.linear import SoftmaxRegression, jobs
from classify.heads.linear.batched import Problems, log_probabilities, predictions, weights
from classify.heads.linear.logistic import Batch, minimise
from classify.heads.linear.spaces import FeatureSpace, FoldedSpace, GramSpace
from classify.heads.standardize import scaling


def reference(C: float, tol: float = 1e-10):
    """scikit-learn's head, fitted far beyond its default tolerance."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=tol, max_iter=20_000))


def objective(Z, labels, weights, intercept, C: float) -> float:
    """The function that both minimise, in plain NumPy; weights (class, dim)."""
    logits = Z @ weights.T + intercept
    loss = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
    return C * loss.sum() + 0.5 * (weights**2).sum()


@st.composite
def studies(draw):
    """Features with every defect, class numbers, training masks and C."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    utterances, dim = draw(st.integers(8, 50)), draw(st.integers(1, 30))
    classes = draw(st.integers(2, 5))
    X = random.normal(size=(utterances, dim)) * 10 ** random.uniform(-2, 2, dim)
    X += random.normal(size=dim) * draw(st.sampled_from([0, 100]))
    if draw(st.booleans()):
        X[:, 0] = 3.0  # constant
    if draw(st.booleans()) and dim > 2:
        X[:, 1] = 2 * X[:, 2] - 1  # collinear
    shares = random.dirichlet(np.full(classes, draw(st.sampled_from([0.5, 5]))))
    y = random.choice(classes, utterances, p=shares)
    y[:3] = 0, 0, 1
    y[-1] = classes - 1  # often of one utterance
    X[np.arange(utterances), y % dim] += draw(st.sampled_from([0, 3])) * X.std(0)[y % dim]
    train = random.random((draw(st.integers(1, 6)), utterances)) < 0.7
    train[:, :3] = True
    C = 10 ** np.array(draw(st.lists(st.floats(-4, 3), min_size=len(train), max_size=len(train))))
    return X.astype(np.float32), y, train, classes, C


@given(studies())
def test_optimum_is_that_of_scikit_learn(study) -> None:
    X, y, train, classes, C = study
    scaled = scaling(X, train)
    for part, (known, strength) in enumerate(zip(train, C, strict=True)):
        Z, labels = scaled.of(X, part)[known], y[known]
        check_optimum(Z, labels, *fitted_by_gram(Z, labels, classes, strength), strength)


@pytest.mark.parametrize("seed", [11, 25, 102, 171, 182])
def test_coefficients_that_cancel_out_do_not_spoil_a_fit(seed: int) -> None:
    """More utterances than directions, and a large C: sums of utterances are not unique."""
    random = np.random.default_rng(seed)
    utterances, dim = random.integers(8, 40), random.integers(1, 12)
    X = random.normal(size=(utterances, dim)) * 10 ** random.uniform(-2, 2, dim)
    y = random.integers(0, 3, utterances)
    y[:3] = 0, 1, 2
    X[np.arange(utterances), y % dim] += 3 * X.std(0)[y % dim]
    Z, C = (X - X.mean(0)) / X.std(0), 10 ** random.uniform(0, 3)
    check_optimum(Z, y, *fitted_by_gram(Z, y, 3, C), C)


def fitted_by_gram(Z, labels, classes: int, C: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (class, dim) and intercepts (class,)."""
    batch = Batch.of(labels[None], classes, np.ones((1, len(Z))), np.array([C]))
    weights, intercept, _, converged = minimise(GramSpace.of(Z), batch, jobs.TOLERANCE)
    if converged.all():
        return (weights @ Z)[:, 0], intercept[:, 0, 0]
    return fitted_by_features(Z, labels, classes, C)


def fitted_by_features(Z, labels, classes: int, C: float) -> tuple[np.ndarray, np.ndarray]:
    """The same of a fit that has not converged in another way."""
    batch = Batch.of(labels[None], classes, np.ones((1, len(Z))), np.array([C]))
    weights, intercept, _, converged = minimise(FeatureSpace.of(Z), batch, jobs.TOLERANCE)
    assert converged.all()
    return weights[:, 0], intercept[:, 0, 0]


@given(studies())
def test_shared_features_give_the_optimum_of_each_part(study) -> None:
    X, y, train, classes, C = study
    common = train.all(0)
    scaled, shared = scaling(X, train), scaling(X, common[None])
    inverse = np.where(scaled.constant, 0, shared.scale / scaled.scale)
    mean = (scaled.mean - shared.mean) / shared.scale
    space = FoldedSpace.within(shared.of(X), common, mean, inverse)
    task = Batch.of(y[None], classes, train.astype(float), C)
    weights, intercept, _, converged = minimise(space, task, jobs.TOLERANCE, together=True)
    for part, known in enumerate(train):
        Z = scaled.of(X, part)[known]
        found = weights[:, part], intercept[:, part, 0]
        if not converged[part]:
            found = fitted_by_features(Z, y[known], classes, C[part])
        check_optimum(Z, y[known], *found, C[part])


def check_optimum(Z, labels, weights, intercept, C: float) -> None:
    """At most 1e-4 above scikit-learn's objective, and absent classes without a share."""
    present, numbers = np.unique(labels, return_inverse=True)
    absent = np.setdiff1d(np.arange(len(weights)), present)
    assert not weights[absent].any()
    assert (intercept[absent] < -1e20).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on float64 that does not get to 1e-10
        head = LogisticRegression(C=C, tol=1e-10, max_iter=20_000).fit(Z, labels)
    theirs, biases = head.coef_, head.intercept_
    if len(present) == 2:  # scikit-learn keeps the difference of the two, and counts it once
        theirs, biases = (np.concatenate([-a, a]) / 2 for a in (theirs, biases))
        C = C / 2
    ours = objective(Z, numbers, weights[present], intercept[present], C)
    best = objective(Z, numbers, theirs, biases, C)
    assert ours <= best * (1 + 1e-4)


@given(studies())
def test_probabilities_are_those_of_scikit_learn(study) -> None:
    X, y, train, classes, C = study
    found = np.exp(log_probabilities("logreg", X, Problems(train, y, classes, C)))
    np.testing.assert_allclose(found.sum(2), 1, rtol=1e-5)
    for shares, known, strength in zip(found, train, C, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = reference(strength).fit(X[known].astype(float), y[known])
        expected = np.zeros_like(shares)
        expected[:, head.classes_] = head.predict_proba(X.astype(float))
        np.testing.assert_allclose(shares[known], expected[known], atol=0.03)


@pytest.fixture(scope="module")
def study():
    """600 utterances of 12 speakers and 6 classes, of a spectrum that decays as that of speech."""
    random = np.random.default_rng(0)
    speakers, y = np.arange(600) % 12, random.integers(0, 6, 600)
    mixing = random.normal(size=(80, 80)) / np.arange(1, 81)[:, None]
    X = random.normal(size=(600, 80)) + 0.5 * random.normal(size=(6, 80))[y]
    X += random.normal(size=(12, 80))[speakers]
    return (X @ mixing).astype(np.float32), y, speakers != np.arange(12)[:, None]


@pytest.mark.parametrize("C", [1e-4, 0.01, 1.0])
def test_predictions_are_those_of_scikit_learn(study, C: float) -> None:
    X, y, train = study
    predicted = predictions("logreg", X, Problems(train, y, 6, C))
    exact = X.astype(float)  # in float32 scikit-learn's own optimum is too rough for small C
    machine = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-7)
    head = make_pipeline(StandardScaler(), machine)
    same = [
        (head.fit(exact[known], y[known]).predict(exact[~known]) == answer[~known])
        for known, answer in zip(train, predicted, strict=True)
    ]
    assert np.mean(same) >= 0.995


def test_a_problem_depends_on_no_other(study) -> None:
    X, y, train = study
    C = 10 ** np.linspace(-4, 1, len(train))
    together = log_probabilities("logreg", X, Problems(train, y, 6, C))
    order = np.random.default_rng(1).permutation(len(train))
    shuffled = log_probabilities("logreg", X, Problems(train[order], y, 6, C[order]))
    np.testing.assert_allclose(shuffled, together[order], atol=2e-3)
    for number in range(3):
        alone = log_probabilities("logreg", X, Problems(train[[number]], y, 6, C[number]))
        np.testing.assert_allclose(alone[0], together[number], atol=2e-3)


@pytest.mark.parametrize("chunk", [1, 5_000, 10_000_000])
def test_chunks_change_nothing(study, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, train = study
    random = np.random.default_rng(0)
    many = Problems(
        np.concatenate([train, train[:1].repeat(20, 0)]),
        np.stack([random.permutation(y) for _ in range(32)]),
        6,
        0.01,
    )
    expected = log_probabilities("logreg", X, many)
    monkeypatch.setattr(jobs, "CHUNK", chunk)
    np.testing.assert_allclose(log_probabilities("logreg", X, many), expected, atol=5e-3)


def test_every_way_to_fit_agrees(study, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, train = study
    found = []
    for cost, C in ((0.0, 0.1), (np.inf, 0.1), (np.inf, np.full(len(train), 0.1))):
        monkeypatch.setattr(jobs, "_cost_by_gram", lambda sizes, *_, c=cost: np.full(len(sizes), c))
        found.append(log_probabilities("logreg", X, Problems(train, y, 6, C)))
    by_gram, on_shared_features, on_own_features = found
    np.testing.assert_allclose(on_shared_features, by_gram, atol=0.03)
    np.testing.assert_allclose(on_own_features, by_gram, atol=0.03)


@pytest.mark.parametrize("head", ["logreg", "ridge", "lda"])
@pytest.mark.parametrize("C", [0.01, np.array([0.01, 0.1] * 20)])
def test_weights_give_the_same_probabilities(study, head: str, C) -> None:
    """By shared features (one C), by the Gram matrix, and in closed form."""
    X, y, train = study
    train = train.copy()
    train[0, y == 5] = False  # a class that is absent
    problems = Problems(train, y, 6, C if np.ndim(C) == 0 else C[: len(train)])
    coefficients, intercepts = weights(head, X, problems)
    logits = np.einsum("pkd,nd->pnk", coefficients.astype(float), X) + intercepts[:, None]
    found = logits - logsumexp(logits, axis=2, keepdims=True)
    expected = log_probabilities(head, X, problems)
    np.testing.assert_allclose(np.exp(found), np.exp(expected), atol=1e-4)


def test_a_feature_that_only_the_test_part_varies_in_does_no_harm(study) -> None:
    X, y, train = study
    odd = np.column_stack([X, np.where(train[0], 1e-4 * X[:, 0], 1e6)]).astype(np.float32)
    found = predictions("logreg", odd, Problems(train[:1], y, 6, 0.01))[0]
    head = reference(0.01, 1e-6).fit(odd[train[0]], y[train[0]])
    assert (found[train[0]] == head.predict(odd[train[0]])).mean() >= 0.995


@pytest.mark.parametrize("head", ["logreg", "ridge", "lda"])
def test_bad_input_is_named(study, head: str) -> None:
    X, y, train = study
    with pytest.raises(ValueError, match="NaN"):
        log_probabilities(head, np.where(X[3, 3] == X, np.nan, X), Problems(train, y, 6, 1.0))
    one = train & (y == 2)
    with pytest.raises(ValueError, match="12 of 12 training parts have one class"):
        log_probabilities(head, X, Problems(one, y, 6, 1.0))
    with pytest.raises(ValueError, match="expected a number from"):
        Problems(train, y, 6, 0.0)
    with pytest.raises(ValueError, match="expected 0 to 4"):
        Problems(train, y, 5, 1.0)
    with pytest.raises(ValueError, match="expected"):
        Problems(train, y[:-1], 6, 1.0)


def test_estimator_is_one_of_scikit_learn() -> None:
    check_estimator(SoftmaxRegression(C=1.0, tol=1e-18))  # it compares to 1e-7


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 5.0, 2: 0.3}])
def test_estimator_equals_the_pipeline(class_weight) -> None:
    random = np.random.default_rng(2)
    X, y = random.normal(size=(80, 10)), random.choice(3, 80, p=[0.6, 0.3, 0.1])
    ours = SoftmaxRegression(C=0.3, class_weight=class_weight).fit(X, y)
    theirs = reference(0.3).set_params(logisticregression__class_weight=class_weight).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert clone(ours).get_params() == ours.get_params()


def test_weights_count_as_repetitions() -> None:
    random = np.random.default_rng(3)
    X, y, times = random.normal(size=(40, 5)), np.arange(40) % 3, random.integers(0, 4, 40)
    weighted = SoftmaxRegression(C=1.0).fit(X, y, sample_weight=times)
    repeated = SoftmaxRegression(C=1.0).fit(X.repeat(times, 0), y.repeat(times))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)
