"""Mean and deviation of the features in many training parts, as `StandardScaler` has them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CANCELLED = 1e-6  # share of the mean square; a smaller variance is computed once more, directly


class Scaling(NamedTuple):
    """What turns features into standardised ones: (x - mean) / scale."""

    mean: npt.NDArray[np.float64]  # (part, dim)
    scale: npt.NDArray[np.float64]  # (part, dim)
    constant: npt.NDArray[np.bool_]  # (part, dim) the feature is constant in the part; scale is 1

    def select(self, parts: slice) -> "Scaling":
        """That of some parts."""
        return Scaling(self.mean[parts], self.scale[parts], self.constant[parts])

    def of(self, X: npt.NDArray[np.floating], part: int = 0) -> npt.NDArray[np.float64]:
        """(utterance, dim) features standardised as by one part."""
        return (X - self.mean[part]) / self.scale[part]


def scaling(X: npt.NDArray[np.floating], weights: npt.NDArray) -> Scaling:
    """Mean and standard deviation in each part, in float64.

    Args:
        X: (utterance, dim).
        weights: (part, utterance) how much each utterance counts; a mask for plain parts.
    """
    centre = X.mean(0, dtype=np.float64)
    centred = X - centre
    shares = weights / weights.sum(1, keepdims=True, dtype=np.float64)
    mean = shares @ centred
    square = shares @ centred**2
    variance = square - mean**2
    for part in np.flatnonzero((variance < CANCELLED * square).any(1)):
        columns = variance[part] < CANCELLED * square[part]
        deviation = centred[:, columns] - mean[part, columns]
        variance[part, columns] = shares[part] @ deviation**2
    mean += centre
    count = (weights > 0).sum(1, keepdims=True)
    rounding = count * np.finfo(np.float64).eps  # as scikit-learn bounds that of a variance
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return Scaling(mean, np.where(constant, 1.0, np.sqrt(variance.clip(0))), constant)
