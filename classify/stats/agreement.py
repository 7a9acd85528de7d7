"""Agreement of predicted and true numbers: concordance, correlation, error.

Every function takes truth and prediction of one shape (utterance, …), finite numbers, and works on
each of the columns "…" alone. Where a quotient is 0 / 0, it is NaN.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

ROUNDING = 1e-12  # share of the mean squares below which a difference of them is 0


def ccc(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Values:
    """Concordance correlation coefficient (…): 2 sₜₚ / (sₜ² + sₚ² + (t̄ - p̄)²).

    1 where every prediction is right, 0 where there is no relation, -1 at worst. Unlike Pearson's r
    it falls with every difference in mean or scale. The moments are the population's (divided by
    n), as in the AVEC challenges (Ringeval et al. 2015, AV+EC 2015). A constant prediction has 0;
    where truth and prediction are the same constant, it is NaN.

    Lin 1989, A concordance correlation coefficient to evaluate reproducibility, Biometrics 45,
    255-268, equation 1.

    Raises:
        ValueError: the shapes differ, there is no utterance, or a number is not finite.

    >>> [round(float(ccc([1, 2, 3], p)), 3) for p in ([1, 2, 3], [2, 3, 4], [5, 5, 5])]
    [1.0, 0.571, 0.0]
    """
    true, predicted = _paired(truth, prediction)
    t, p = _deviations(true), _deviations(predicted)
    spread = (t**2).mean(0) + (p**2).mean(0) + (true.mean(0) - predicted.mean(0)) ** 2
    return _ratio(2 * (t * p).mean(0), spread)


def pearson(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Values:
    """Pearson's correlation (…): sₜₚ / (sₜ sₚ); NaN where truth or prediction is constant.

    Pearson 1895, Note on regression and inheritance in the case of two parents, Proceedings of the
    Royal Society of London 58, 240-242.

    Raises:
        ValueError: as `ccc`.

    >>> [round(float(pearson([1, 2, 3], p)), 3) for p in ([2, 4, 6], [5, 5, 5])]
    [1.0, nan]
    """
    t, p = map(_deviations, _paired(truth, prediction))
    correlation = _ratio((t * p).sum(0), np.sqrt((t**2).sum(0)) * np.sqrt((p**2).sum(0)))
    return np.clip(correlation, -1, 1)


def rmse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Values:
    """Root of the mean squared error (…), on the scale of the numbers: √(Σ (t - p)² / n).

    Raises:
        ValueError: as `ccc`.

    >>> float(rmse([1, 2, 3], [1, 2, 6]))
    1.7320508075688772
    """
    true, predicted = _paired(truth, prediction)
    return np.sqrt(((true - predicted) ** 2).mean(0))


# key in JSON → heading in tables, and the function from truth and prediction (utterance, …) to (…)
AGREEMENTS: dict[str, tuple[str, Callable[[npt.ArrayLike, npt.ArrayLike], Values]]] = {
    "ccc": ("CCC", ccc),
    "pearson": ("Pearson", pearson),
    "rmse": ("RMSE", rmse),
}


def left_out_ccc(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, clusters: npt.NDArray[np.integer]
) -> Values:
    """`ccc` of all utterances but those of each cluster, such as a speaker: (cluster, …).

    Args:
        truth: (utterance, …).
        prediction: (utterance, …).
        clusters: (utterance,) number of the cluster, from 0; no number is left out.

    Raises:
        ValueError: as `ccc`.
    """
    true, predicted = _paired(truth, prediction)
    t, p = true - true.mean(0), predicted - true.mean(0)  # near 0, so that squares lose no digits
    products = np.stack([np.ones_like(t), t, p, t * t, p * p, t * p], axis=1)
    sums = np.zeros((clusters.max() + 1, *products.shape[1:]))  # (cluster, moment, …)
    np.add.at(sums, clusters, products)
    count, *moments = np.moveaxis(sums.sum(0) - sums, 1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # of one cluster nothing is left
        mean_t, mean_p, square_t, square_p, product = (moment / count for moment in moments)
    spread = square_t + square_p - 2 * mean_t * mean_p  # sₜ² + sₚ² + (t̄ - p̄)²
    spread[spread < ROUNDING * (square_t + square_p)] = 0
    return _ratio(2 * (product - mean_t * mean_p), spread)


def _paired(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Values, Values]:
    true, predicted = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    if true.shape != predicted.shape or not true.ndim:
        raise ValueError(f"got truth of shape {true.shape} and predictions of {predicted.shape}")
    if not len(true):
        raise ValueError("got no utterance")
    if not (np.isfinite(true).all() and np.isfinite(predicted).all()):
        raise ValueError("got NaN or infinity")
    return true, predicted


def _deviations(values: Values) -> Values:
    """Deviations from the mean; exactly 0 for a constant, despite rounding of its mean."""
    return np.where(np.ptp(values, axis=0) == 0, 0.0, values - values.mean(0))


def _ratio(numerator: Values, denominator: Values) -> Values:
    undefined = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=np.asarray(denominator) > 0)
