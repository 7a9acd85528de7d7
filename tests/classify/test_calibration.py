"""Temperature scaling: correct, estimated on held-out data, and without effect on decisions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.metrics import log_loss

from classify.models.calibration import (
    LEAST,
    MOST,
    calibrate,
    fit_temperature,
    negative_log_likelihood,
    tempered,
)
from classify.stats.calibration import calibration_error

WEIGHTS = arrays(np.float64, (5, 3), elements=st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 1.0, 3.0]))


def answers(sharpness: float = 2.0, count: int = 2000, seed: int = 0):
    """Probabilities (utterance, class) of a head that is so much too sure, and the truth."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, 4)) * 1.5
    y = np.array([random.choice(4, p=p) for p in softmax(logits, axis=1)])
    return softmax(sharpness * logits, axis=1), y


@given(WEIGHTS.filter(lambda w: (w.sum(1) > 0).all()), st.floats(LEAST, MOST))
def test_decisions_stay_and_nothing_becomes_nan(weights: np.ndarray, temperature: float) -> None:
    probabilities = weights / weights.sum(1, keepdims=True)
    with np.errstate(divide="raise", invalid="raise"):
        found = tempered(probabilities, temperature)
    np.testing.assert_allclose(found.sum(1), 1)
    rows = np.arange(len(found))
    assert (found[rows, probabilities.argmax(1)] == found.max(1)).all()
    assert (found[probabilities == 0] == 0).all()


def test_logarithms_are_divided() -> None:
    probabilities, _ = answers(count=50)
    expected = softmax(np.log(probabilities) / 1.7, axis=1)
    np.testing.assert_allclose(tempered(probabilities, 1.7), expected)
    np.testing.assert_allclose(tempered(probabilities, 1.0), probabilities)
    np.testing.assert_allclose(tempered(probabilities[7], 1.7), expected[7])


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_undoes_too_much_confidence(sharpness: float) -> None:
    probabilities, y = answers(sharpness)
    found = fit_temperature(probabilities, y)
    assert found == pytest.approx(sharpness, rel=0.15)
    least = negative_log_likelihood(tempered(probabilities, found), y)
    for other in np.geomspace(LEAST, MOST, 60):
        assert negative_log_likelihood(tempered(probabilities, other), y) >= least - 1e-6


def test_likelihood_is_that_of_scikit_learn() -> None:
    probabilities, y = answers(count=100)
    probabilities[:5] = np.eye(4)[(y[:5] + 1) % 4]  # the truth has 0
    expected = log_loss(y, probabilities, labels=range(4))
    assert negative_log_likelihood(probabilities, y) == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    probabilities, y = answers(3.0, 300)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == y
    expected = 0.0
    for low in range(15):
        of_bin = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if of_bin.any():
            gap = abs(right[of_bin].mean() - confidence[of_bin].mean())
            expected += gap * of_bin.mean()
    assert calibration_error(probabilities, y) == pytest.approx(expected)
    assert calibration_error(np.eye(4)[y], y) == 0


def test_a_fold_does_not_affect_its_own_threshold() -> None:
    """One fold is wrong throughout, and costs more than all other folds."""
    probabilities, y = answers(1.0, 200)
    fold = np.arange(200) % 4
    y[fold == 0] = probabilities[fold == 0].argmin(1)
    found = calibrate(probabilities, y, fold)
    expected = [
        log_loss(
            y[fold == number],
            tempered(
                probabilities[fold == number],
                fit_temperature(probabilities[fold != number], y[fold != number]),
            ),
            labels=range(4),
        )
        for number in range(4)
    ]
    assert found.after["nll"] == pytest.approx(np.mean(expected))
    seen = negative_log_likelihood(tempered(probabilities, found.temperature), y)
    assert found.after["nll"] > seen
    assert found.temperature == fit_temperature(probabilities, y)


def test_calibration_reduces_the_error_and_reports_it() -> None:
    probabilities, y = answers(3.0)
    found = calibrate(probabilities, y, np.arange(len(y)) % 5)
    assert found.after["nll"] < found.before["nll"]
    assert found.after["ece"] < 0.3 * found.before["ece"]


@pytest.mark.parametrize("right", [True, False])
def test_probabilities_of_0_and_1_are_calibrated(right: bool) -> None:
    """All probabilities are 0 and 1: nothing to fit, nothing becomes NaN."""
    y = np.arange(40) % 4
    probabilities = np.eye(4)[y if right else (y + 1) % 4]
    found = calibrate(probabilities, y, y % 2)
    assert LEAST <= found.temperature <= MOST
    assert np.isfinite(
        [found.before["nll"], found.after["nll"], found.before["ece"], found.after["ece"]]
    ).all()
