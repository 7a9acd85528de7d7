"""The out-of-domain score, compared with scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from classify.features import Features
from classify.models.domain import Domain, summarised, threshold


def speakers(rng, count, each=20, dim=12, classes=3):
    """Features, classes and speakers: Gaussian offsets of both, and noise of unequal scale."""
    mixing = rng.normal(size=(dim, dim))
    of_class = np.random.default_rng(5).normal(size=(classes, dim)) * 3
    y = np.tile(np.arange(each) % classes, count)
    speaker = np.repeat(np.arange(count), each)
    of_speaker = rng.normal(size=(count, dim)) * 0.5
    X = of_class[y] + of_speaker[speaker] + rng.normal(size=(len(y), dim)) @ mixing
    return X.astype(np.float32), y, speaker


@pytest.mark.parametrize("each", [4, 40])
def test_distance_is_that_of_scipy_with_the_covariance_of_scikit_learn(each):
    """With fewer utterances than features, and with more."""
    rng = np.random.default_rng(0)
    X, y, _ = speakers(rng, 2, each)
    new = rng.normal(size=(5, 12)) * 4
    fitted = Domain.fit(X, y, rank=12)
    Z, probe = ((array - X.mean(0, dtype=float)) / X.std(0, dtype=float) for array in (X, new))
    centres = np.stack([Z[y == number].mean(0) for number in range(3)])
    oracle = LedoitWolf(assume_centered=True).fit(Z - centres[y])
    for row, found in zip(probe, fitted.distance(new), strict=True):
        expected = min(mahalanobis(row, centre, oracle.precision_) for centre in centres)
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_kept_subspace_has_one_variance_outside_of_it():
    rng = np.random.default_rng(1)
    X, y, _ = speakers(rng, 5)
    fitted = Domain.fit(X, y, rank=4)
    assert fitted.axes.shape == (4, 12)
    np.testing.assert_allclose(fitted.axes @ fitted.axes.T, np.eye(4), atol=1e-10)
    rest = np.eye(12) - fitted.axes.T @ fitted.axes
    covariance = (fitted.axes.T * fitted.variances[:-1]) @ fitted.axes
    covariance += fitted.variances[-1] * rest
    whole = Domain.fit(X, y, rank=12)
    assert np.trace(covariance) == pytest.approx(whole.variances[:-1].sum())
    probe = (rng.normal(size=12) - fitted.mean) / fitted.scale
    expected = min(
        mahalanobis(probe, centre, np.linalg.inv(covariance)) for centre in fitted.centres
    )
    found = fitted.distance(probe[None] * fitted.scale + fitted.mean)[0]
    assert found == pytest.approx(expected, rel=1e-6)


def test_false_alarms_on_new_speakers_are_about_as_promised():
    X, y, speaker = speakers(np.random.default_rng(2), 40)
    shares = []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(40)
        new = np.isin(speaker, order[:10])
        fold = np.searchsorted(np.unique(speaker[~new]), speaker[~new])
        domain = Domain.calibrated(X[~new], y[~new], fold)
        assert domain is not None
        shares.append((domain.score(X[new]) > 1).mean())
        assert (domain.score(X[new] + 25) > 1).all()
    assert 0.02 < np.mean(shares) < 0.08


def test_threshold_is_a_conformal_quantile():
    rng = np.random.default_rng(3)
    exceeded = []
    for _ in range(2_000):
        values = rng.exponential(size=40)
        exceeded.append(values[0] > threshold(values[1:], 0.1))
    assert 0.08 < np.mean(exceeded) <= 0.12
    assert threshold(np.arange(19.0)) == 18


def test_without_folds_there_is_no_score():
    X, y, speaker = speakers(np.random.default_rng(4), 3)
    assert Domain.calibrated(X, y, np.full(len(y), -1)) is None
    assert Domain.calibrated(X, y, np.zeros(len(y), int)) is None
    assert Domain.calibrated(X[:19], y[:19], np.arange(19) % 2) is None
    assert Domain.calibrated(X, y, speaker) is not None


def test_constant_and_single_features_are_finite():
    X, y, speaker = speakers(np.random.default_rng(6), 4)
    X[:, 3] = 7
    domain = Domain.calibrated(X, y, speaker)
    assert domain is not None
    assert np.isfinite(domain.score(X)).all()
    one = Domain.calibrated(X[:, :1], np.zeros(len(y), int), speaker)
    assert one is not None
    assert np.isfinite(one.score(X[:, :1])).all()


def test_a_restored_domain_gives_the_same_score():
    X, y, speaker = speakers(np.random.default_rng(7), 4)
    domain = Domain.calibrated(X, y, speaker)
    assert domain is not None
    again = Domain.restore(domain.tensors(), domain.threshold, 12)
    np.testing.assert_allclose(again.score(X), domain.score(X), rtol=1e-5)
    for change, message in (
        ({"axes": np.ones((2, 12), np.float32)}, "not of 12 features"),
        ({"scale": np.zeros(12, np.float32)}, "not positive"),
        ({"mean": np.full(12, np.nan, np.float32)}, "not finite"),
        ({"more": np.ones(1, np.float32)}, "it holds axes, centres, mean, more"),
        ({"mean": np.ones((1, 12), np.float32)}, "it holds"),
    ):
        with pytest.raises(ValueError, match=message):
            Domain.restore(domain.tensors() | change, domain.threshold, 12)


@pytest.mark.parametrize(
    ("features", "shape"),
    [
        (Features(2, (2,), ("mean", "std")), (3, 1, 1, 16)),
        (Features("mix", (0, 1, 2), ("mean",)), (3, 3, 1, 8)),
        (Features("mean", (0, 1), ("std",), sequences=True), (3, 1, 5, 16)),
        (Features("mix", (0, 1), (), sequences=True), (3, 2, 5, 8)),
    ],
)
def test_several_steps_and_layers_become_their_mean(features, shape):
    rows = np.random.default_rng(8).normal(size=shape).astype(np.float32)
    if features.sequences:
        rows[0, :, 3:] = np.nan
    expected = [np.nanmean(row.reshape(-1, shape[-1]), axis=0) for row in rows]
    found = summarised(rows.reshape(3, -1), features, 8)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
