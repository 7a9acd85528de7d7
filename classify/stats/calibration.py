"""Whether probabilities are calibrated: of the predictions with a confidence of 70 %, 70 % are
right."""

import numpy as np
import numpy.typing as npt

BINS = 15  # of confidence, as in Guo et al. 2017, section 5

Shares = npt.NDArray[np.floating]


def calibration_error(probabilities: Shares, y: npt.NDArray[np.integer]) -> float:
    """Expected calibration error: mean difference of confidence and accuracy.

    Σ_b n_b / N |accuracy_b - confidence_b| over bins of equal width of the probability of the most
    probable class (Guo et al. 2017, equation 3).

    Args:
        probabilities: (utterance, class).
        y: (utterance,) class numbers.

    >>> calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    0.4
    """
    return float(np.abs(calibration_gaps(probabilities, y).sum(0)).sum() / len(y))


def calibration_gaps(probabilities: Shares, y: npt.NDArray[np.integer]) -> Shares:
    """(utterance, bin + 1) 1 or 0 for a right or wrong prediction less its confidence, in the bin
    of this confidence. The expected calibration error is that of their sums by bin."""
    confidence = probabilities.max(1)
    gaps = np.zeros((len(y), BINS + 1))
    place = np.ceil(confidence * BINS).astype(np.intp)
    gaps[np.arange(len(y)), place] = (probabilities.argmax(1) == y) - confidence
    return gaps
