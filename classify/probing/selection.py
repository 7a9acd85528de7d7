"""Nested cross-validation: layer and C are chosen by the training part of each fold.

The score of the best layer on the test parts is too high, especially with many layers and few
utterances (Cawley and Talbot 2010, On Over-fitting in Model Selection, section 5). Nested
cross-validation scores the selection of each training part on utterances that did not influence it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.probing.curves import Curve


@dataclass(frozen=True)
class Nested:
    """The layer that each training part chooses, and its predictions."""

    chosen: npt.NDArray[np.intp]  # (fold,) index of the layer
    predictions: npt.NDArray[np.intp]  # (utterance,)


def nested(curve: Curve) -> Nested:
    """Take in each fold the layer of the highest UAR in the training part, by its own C there.

    Of equal ones the lowest layer is taken.
    """
    if curve.inner is None:
        raise ValueError("a curve of one C and no inner folds: there is nothing to choose by")
    chosen = curve.inner.argmax(0)
    fold = curve.task.fold
    return Nested(chosen, curve.predictions[chosen[fold], np.arange(len(fold))])
