"""The honest choice: layer and C by the training part of each fold, scored on its test part.

The score of the layer that is best on test is that of a winner: it is too high, the more so the
more layers there are and the fewer utterances (Cawley and Talbot 2010, On Over-fitting in Model
Selection, section 5). In nested cross-validation the winner of each training part is judged by
utterances that had no part in its choice.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.metrics import Counts, uar
from classify.probe.confidence import holm, permutation_test, smallest_p, uar_shares
from classify.probe.curves import Curve

ALPHA = 0.05


@dataclass(frozen=True)
class Best:
    """The layer, or head, best on test, and how it stands against the others."""

    index: int
    difference: npt.NDArray[np.float64]  # (layer,) UAR of the best less that of the layer
    p: npt.NDArray[np.float64]  # (layer,) of no difference; 1 for itself
    p_holm: npt.NDArray[np.float64]  # (layer,) adjusted for so many comparisons
    smallest_p: float  # that could have been, adjusted, with so few speakers

    @property
    def equals(self) -> npt.NDArray[np.intp]:
        """Those that cannot be told from the best, itself among them."""
        return np.flatnonzero(self.p_holm >= ALPHA)


def best(counts: Counts, draws: int, seed: int) -> Best:
    """Compare every layer with the one of highest UAR, pairing their answers by speaker.

    Args:
        counts: (speaker, layer, truth, prediction) confusion matrices; of heads likewise.
        draws: random exchanges, where there are too many to try all.
        seed: of those.
    """
    shares = uar_shares(counts)  # (speaker, layer)
    index = int(uar(counts.sum(0)).argmax())
    others = np.arange(shares.shape[1]) != index
    p, p_holm = np.ones(len(others)), np.ones(len(others))
    differences = shares[:, [index]] - shares
    if others.any():
        p[others] = permutation_test(differences[:, others], draws, seed)
        p_holm[others] = holm(p[others])
    least = min(1.0, smallest_p(len(shares), draws) * max(1, int(others.sum())))
    return Best(index, differences.sum(0), p, p_holm, least)


@dataclass(frozen=True)
class Nested:
    """What the layer says that each training part would have chosen."""

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
