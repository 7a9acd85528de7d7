"""Temperature scaling, so that 70 % of the predictions with a confidence of 70 % are right.

Temperature scaling divides the logarithms of the probabilities by one number, and keeps the most
probable class (Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2). The number
is fitted to predictions for held-out speakers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST, MOST = 0.05, 20.0  # temperatures; where every answer is right, the best would be 0
FLOOR = np.finfo(np.float64).eps  # a true class of less counts as so much; as scikit-learn does

Shares = npt.NDArray[np.floating]


def tempered(probabilities: Shares, temperature: float) -> npt.NDArray[np.float64]:
    """Probabilities (…, class) whose logarithms are divided by `temperature`.

    pₖ^(1/T) / Σⱼ pⱼ^(1/T), so a 0 stays 0. Above 1 they become more alike, below 1 less.

    >>> tempered(np.array([0.8, 0.2, 0.0]), 2.0).round(3)
    array([0.667, 0.333, 0.   ])
    """
    exact = np.asarray(probabilities, np.float64)
    powers = (exact / exact.max(-1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(-1, keepdims=True)


def negative_log_likelihood(probabilities: Shares, y: npt.NDArray[np.integer]) -> float:
    """Mean negative log-likelihood in nats, -1/N Σᵢ log p(yᵢ), of probabilities (utterance,
    class)."""
    true = probabilities[np.arange(len(y)), y]
    return float(-np.log(np.clip(true, FLOOR, None)).mean())


def fit_temperature(probabilities: Shares, y: npt.NDArray[np.integer]) -> float:
    """The temperature with the least negative log-likelihood of probabilities (utterance,
    class)."""
    from scipy.optimize import minimize_scalar  # late: predictions do not need it

    found = minimize_scalar(
        lambda log: negative_log_likelihood(tempered(probabilities, np.exp(log)), y),
        bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded",
    )
    return float(np.clip(np.exp(found.x), LEAST, MOST))


def quality(probabilities: Shares, y: npt.NDArray[np.integer]) -> dict[str, float]:
    """Calibration of probabilities (utterance, class): their mean negative log-likelihood
    in nats, and their expected calibration error."""
    from classify.stats.calibration import calibration_error  # late: imports scipy

    return {
        "nll": negative_log_likelihood(probabilities, y),
        "ece": calibration_error(probabilities, y),
    }


@dataclass(frozen=True)
class Calibration:
    """A temperature, and the `quality` of predictions without it and with it."""

    temperature: float
    before: dict[str, float]
    after: dict[str, float]  # each fold by the temperature of the others; of one alone by its own


def calibrate(
    probabilities: Shares, y: npt.NDArray[np.integer], fold: npt.NDArray[np.integer]
) -> Calibration:
    """Fit a temperature to held-out predictions.

    Args:
        probabilities: (utterance, class) by the head that was not trained on the utterance's fold.
        y: (utterance,) class numbers.
        fold: (utterance,) number of its fold.
    """
    after = np.empty(probabilities.shape)
    for number in np.unique(fold):
        test = fold == number
        others = test if test.all() else ~test
        after[test] = tempered(
            probabilities[test], fit_temperature(probabilities[others], y[others])
        )
    return Calibration(
        temperature=fit_temperature(probabilities, y),
        before=quality(probabilities, y),
        after=quality(after, y),
    )
