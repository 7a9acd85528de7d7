"""Concordance, correlation and error, compared with other formulas."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.metrics import root_mean_squared_error

from classify.stats.agreement import ccc, left_out_ccc, pearson, rmse

NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 3))
PAIRS = arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)), elements=NUMBERS)


def lin(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Lin's coefficient as one minus the expected squared distance from the line of equality, as a
    share of what it would be without correlation."""
    independent = np.mean((truth[:, None] - prediction[None, :]) ** 2)
    return 1 - np.mean((truth - prediction) ** 2) / independent


@given(PAIRS)
def test_scores_equal_other_formulas(pair) -> None:
    truth, prediction = pair
    assume(np.ptp(truth) > 0.1 and np.ptp(prediction) > 0.1)
    assert ccc(truth, prediction) == pytest.approx(lin(truth, prediction), abs=1e-9)
    assert pearson(truth, prediction) == pytest.approx(pearsonr(truth, prediction)[0], abs=1e-9)
    assert rmse(truth, prediction) == pytest.approx(root_mean_squared_error(truth, prediction))


@given(PAIRS, st.floats(-5, 5), st.floats(0.1, 10))
def test_concordance_is_symmetric_bounded_by_correlation_and_blind_to_the_unit(
    pair, offset: float, scale: float
) -> None:
    truth, prediction = pair
    assume(np.ptp(truth) > 0.1 and np.ptp(prediction) > 0.1)
    found = ccc(truth, prediction)
    assert found == pytest.approx(ccc(prediction, truth))
    assert abs(found) <= abs(pearson(truth, prediction)) + 1e-9
    assert found == pytest.approx(
        ccc(offset + scale * truth, offset + scale * prediction), abs=1e-9
    )


def test_columns_are_scored_alone() -> None:
    truth, prediction = np.random.default_rng(0).normal(size=(2, 20, 3))
    for score in (ccc, pearson, rmse):
        alone = [score(truth[:, k], prediction[:, k]) for k in range(3)]
        np.testing.assert_allclose(score(truth, prediction), alone)


@pytest.mark.parametrize("constant", [3.0, 3.3, 1e9 / 3])
def test_a_constant_prediction_has_no_concordance_and_no_correlation(constant: float) -> None:
    truth = np.random.default_rng(0).normal(3, 1, 101)
    prediction = np.full(101, constant)
    assert ccc(truth, prediction) == 0
    assert np.isnan(pearson(truth, prediction))
    assert np.isnan(ccc(prediction, prediction))
    assert rmse(prediction, prediction) == 0


def test_one_utterance_has_an_error_alone() -> None:
    assert (ccc([1.0], [2.0]), rmse([1.0], [2.0])) == (0, 1)
    assert np.isnan(pearson([1.0], [2.0]))


@pytest.mark.parametrize("score", [ccc, pearson, rmse])
@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([1, 2], [1], r"\(2,\) and predictions of \(1,\)"),
        ([], [], "no utterance"),
        ([1, 2], [1, np.nan], "NaN"),
        (1.0, 1.0, "shape"),
    ],
)
def test_refuses_what_cannot_be_scored(score, truth, prediction, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(truth, prediction)


def test_concordance_without_a_speaker_is_that_of_the_others() -> None:
    rng = np.random.default_rng(0)
    clusters = rng.permutation(np.repeat(np.arange(4), [1, 5, 9, 12]))
    truth, prediction = rng.normal(1000, 2, size=(2, len(clusters), 2))
    prediction += truth
    for out, values in enumerate(left_out_ccc(truth, prediction, clusters)):
        rows = clusters != out
        np.testing.assert_allclose(values, ccc(truth[rows], prediction[rows]), atol=1e-9)


def test_concordance_of_constants_or_nothing_is_not_defined() -> None:
    same = np.full(6, 3.3)
    assert np.isnan(left_out_ccc(same, same, np.arange(6) % 2)).all()
    assert np.isnan(left_out_ccc(np.arange(3.0), np.arange(3.0), np.zeros(3, int))).all()
