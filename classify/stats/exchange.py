"""Tests of differences between groups of speakers: the groups are exchanged between speakers.

If a group makes no difference, its speakers might as well be in another one, so every exchange of
the groups is equally likely. A block is what one speaker has in one group. Groups are exchanged
between the blocks of a stratum alone, such as a corpus; with each speaker as a stratum, they are
exchanged within speakers.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln  # scipy.stats would take a second to import

from classify.stats.metrics import Values

EXACT = 5000  # exchanges; of so many, all are tried
DRAWS, FEWEST_DRAWS = 4999, 999  # random exchanges where there are more; beside the observed one
LABELS = 1 << 20  # labels of blocks to draw: of many blocks there are fewer draws
ROUNDING = 1e-12  # by which two equal differences may differ

Labels = npt.NDArray[np.intp]


def exchanges(groups: Labels, strata: Labels, seed: int = 0) -> Labels:
    """(exchange, block) groups of the blocks: all distinct exchanges where there are up to 5000,
    otherwise the observed one and random ones.

    Args:
        groups: (block,) number of its group.
        strata: (block,) number of its stratum.
        seed: of random exchanges.

    >>> exchanges(np.array([0, 0, 1]), np.zeros(3, int)).tolist()
    [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    """
    rows = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    place = np.argsort(np.concatenate(rows))  # of each block, where they are sorted by stratum
    if sum(_logarithm(groups[own]) for own in rows) <= np.log(EXACT) + ROUNDING:
        each = product(*(list(_distinct(groups[own].tolist())) for own in rows))
        return np.array([sum(parts, ()) for parts in each], np.intp)[:, place]
    draws = min(DRAWS, max(LABELS // len(groups), FEWEST_DRAWS))
    keys = np.random.default_rng(seed).random((draws, len(groups)))
    order = np.argsort(keys + np.unique(strata, return_inverse=True)[1], axis=1)
    return np.concatenate([groups[None], groups[order[:, place]]])


def p_of_difference(exchanged: Values, observed: Values) -> Values:
    """(…) two-sided p of a difference: the share of the exchanges whose difference is as far from
    the mean of all exchanges.

    This mean is 0 where strata and groups are of equal sizes. Exchanges for which the difference is
    not defined (NaN) do not count.

    Args:
        exchanged: (exchange, …) differences, the observed one among them.
        observed: (…) the observed one.
    """
    defined = np.isfinite(exchanged)
    mean = np.where(defined, exchanged, 0).sum(0) / np.maximum(defined.sum(0), 1)
    far = np.abs(exchanged - mean) >= np.abs(observed - mean) - ROUNDING
    return _share(far, exchanged, observed)


def p_of_range(exchanged: Values, observed: Values) -> Values:
    """(…) p of the highest score of the groups less the lowest; of two groups it is that of their
    difference.

    Args:
        exchanged: (exchange, group, …) scores, the observed ones among them.
        observed: (group, …) the observed ones.
    """
    if len(observed) == 2:
        return p_of_difference(exchanged[:, 0] - exchanged[:, 1], observed[0] - observed[1])
    ranges, found = np.ptp(exchanged, axis=1), np.ptp(observed, axis=0)
    return _share(ranges >= found - ROUNDING, ranges, found)


def _share(far: npt.NDArray[np.bool_], exchanged: Values, observed: Values) -> Values:
    """Share of the defined exchanges that are far; NaN where the observed value is not defined."""
    known = np.isfinite(observed)
    defined = np.isfinite(exchanged).sum(0)
    return np.divide(far.sum(0), defined, out=np.full(defined.shape, np.nan), where=known)


def _logarithm(groups: Labels) -> float:
    """Logarithm of the number of distinct exchanges."""
    _, sizes = np.unique(groups, return_counts=True)
    return float(gammaln(len(groups) + 1) - gammaln(sizes + 1).sum())


def _distinct(groups: list[int]) -> Iterator[tuple[int, ...]]:
    """All distinct orders."""
    if not groups:
        yield ()
    for first in sorted(set(groups)):
        rest = groups.copy()
        rest.remove(first)
        for more in _distinct(rest):
            yield first, *more
