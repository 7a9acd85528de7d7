"""Mean and deviation of the features in many training parts, as `StandardScaler` has them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CONSTANT = 1e-6  # a feature that deviates by less than this share of its mean carries only rounding
CANCELLED = 1e-6  # share of the mean square; a smaller variance is computed once more, directly


class Scaling(NamedTuple):
    """Standardisation of features: (x - mean) / scale."""

    mean: npt.NDArray[np.float64]  # (part, dim)
    scale: npt.NDArray[np.float64]  # (part, dim)
    constant: npt.NDArray[np.bool_]  # (part, dim) the feature is constant in the part; scale is 1

    def of(self, X: npt.NDArray[np.floating], part: int = 0) -> npt.NDArray[np.float64]:
        """(utterance, dim) features standardised as by one part."""
        return (X - self.mean[part]) / self.scale[part]


def scaling(X: npt.NDArray[np.floating], weights: npt.NDArray) -> Scaling:
    """Mean and standard deviation in each part, in float64.

    An utterance of weight 0 adds an exact zero to every sum: the statistics of a part are the same
    to the last bit whatever the features of utterances outside of it are.

    Args:
        X: (utterance, dim), finite.
        weights: (part, utterance) how much each utterance counts; a mask for plain parts.
    """
    exact = X.astype(np.float64)
    shares = weights / weights.sum(1, keepdims=True, dtype=np.float64)
    mean = shares @ exact
    square = shares @ exact**2
    variance = square - mean**2
    for part in np.flatnonzero((variance < CANCELLED * square).any(1)):
        columns = variance[part] < CANCELLED * square[part]
        deviation = exact[:, columns] - mean[part, columns]
        shift = shares[part] @ deviation  # what rounding left of the mean
        mean[part, columns] += shift
        variance[part, columns] = shares[part] @ (deviation - shift) ** 2
    count = (weights > 0).sum(1, keepdims=True)
    rounding = count * np.finfo(np.float64).eps  # as scikit-learn bounds that of a variance
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return Scaling(mean, np.where(constant, 1.0, np.sqrt(variance.clip(0))), constant)
