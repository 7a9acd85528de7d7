"""Remove speaker information from features."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from classify.features import Matrix

Remove = Callable[[Matrix, npt.NDArray[np.bool_]], Matrix]


def without_speaker_means(X: Matrix, speakers: npt.NDArray) -> Matrix:
    """X (utterance, dim) less the mean of each speaker's utterances.

    No label is used and no other speaker's utterance. But it is transductive: a test speaker's mean
    needs all of that speaker's utterances at once, as in the normalisation by speaker of Pepino et
    al. 2021 (arXiv 2104.03502).
    """
    return X - _means(X.astype(np.float64), speakers.astype(str)).astype(np.float32)


def without_speaker_subspace(y: npt.NDArray[np.intp], speakers: npt.NDArray) -> Remove:
    """Project out the directions in which the speakers of the training part differ on average.

    The features are standardised by the training part. The means of its classes are subtracted, so
    that a speaker's mean does not depend on the classes of the utterances. The span of its
    speakers' means about their mean is removed: at most one direction less than there are speakers.
    Less is removed of the test speakers, since they have no part in it.

    Args:
        y: (utterance,) class numbers.
        speakers: (utterance,) names.

    Returns:
        A function of X (utterance, dim) and a training part (utterance,) bool.
    """
    speaker = np.unique(speakers.astype(str), return_inverse=True)[1]

    def remove(X: Matrix, train: npt.NDArray[np.bool_]) -> Matrix:
        deviation = X[train].std(0)
        Z = (X - X[train].mean(0)) / np.where(deviation > 0, deviation, 1)
        rest = Z[train] - _means(Z[train], y[train])
        means = _means(rest, speaker[train])[np.unique(speaker[train], return_index=True)[1]]
        _, sizes, directions = np.linalg.svd(means - means.mean(0), full_matrices=False)
        directions = directions[sizes > 1e-5 * max(sizes[0], 1e-12)]
        return (Z - (Z @ directions.T) @ directions).astype(np.float32)

    return remove


def _means(X: npt.NDArray[np.floating], group: npt.NDArray) -> npt.NDArray[np.floating]:
    """(utterance, dim) the mean of each one's group."""
    names, number = np.unique(group, return_inverse=True)
    indicator = (number == np.arange(len(names))[:, None]).astype(X.dtype)
    return ((indicator @ X) / indicator.sum(1, keepdims=True))[number]
