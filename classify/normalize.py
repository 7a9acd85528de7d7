"""Normalise features by the mean and deviation of each speaker.

This is transductive: it needs all recordings of a tested speaker before the first prediction (but
none of the labels). Such scores do not hold for a speaker with a single recording.
"""

import numpy as np
import numpy.typing as npt

from classify.features import Matrix
from classify.heads.standardize import CONSTANT


def by_speaker(X: Matrix, speakers: npt.NDArray, layers: int, steps: int) -> Matrix:
    """X (utterance, layer · step · dim) with mean 0 and deviation 1 in each speaker.

    Args:
        X: NaN after the last step of a sequence.
        speakers: (utterance,) names.
        layers: how many a row holds.
        steps: moments of a sequence, which share a speaker's statistics; 1 of pooled features.

    A feature that is constant in a speaker becomes 0; so does all of a speaker with one recording.
    """
    names = speakers.astype(str)
    values = X.reshape(len(X), layers, steps, -1)
    found = np.empty_like(values)
    for name in np.unique(names):
        own = values[names == name].astype(np.float64)
        mean = np.nanmean(own, (0, 2), keepdims=True)
        deviation = np.nanstd(own, (0, 2), keepdims=True)
        scale = np.where(deviation > CONSTANT * np.abs(mean), deviation, np.inf)
        found[names == name] = (own - mean) / scale
    return found.reshape(X.shape)
