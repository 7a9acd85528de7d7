"""The split of a training part for early stopping."""

import numpy as np
import numpy.typing as npt

SHARE = 0.1  # of the utterances, at least


def held_out(
    classes: npt.NDArray[np.intp], groups: npt.NDArray, seed: int, share: float = SHARE
) -> npt.NDArray[np.bool_]:
    """Draw whole groups until they have a share of the utterances; every class stays in the rest.

    Args:
        classes: (utterance,) class numbers.
        groups: (utterance,) speakers, or anything else of which all or nothing is held out.
        seed: of the draw.
        share: of the utterances.

    Returns:
        (utterance,) whether it is held out; none where no group can be spared.
    """
    names, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), int(classes.max()) + 1), np.intp)  # (group, class)
    np.add.at(counts, (group, classes), 1)
    left = counts.sum(0)
    occurs = left > 0
    out = np.zeros(len(names), bool)
    for name in np.random.default_rng(seed).permutation(len(names)):
        if counts[out].sum() >= share * len(classes):
            break
        if ((left - counts[name])[occurs] > 0).all():
            out[name] = True
            left = left - counts[name]
    return out[group]
