"""Tests of heads by their ranks within each speaker.

Demšar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets (JMLR 7), section 3.2.2.
Speakers take the place of data sets. Their training parts overlap, as in any cross-validation.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import f, friedmanchisquare, rankdata, studentized_range

from classify.stats.tests import ALPHA

Values = npt.NDArray[np.floating]

FEWEST = 3  # heads: of two, the ranks say no more than the sign test
SAME = 12  # decimals; scores that differ by less differ by rounding


@dataclass(frozen=True)
class Friedman:
    """Whether the heads differ at all: the null is that all rank alike."""

    statistic: float  # χ², corrected for ties
    freedom: int
    p: float
    F: float | None  # of Iman and Davenport; None: all speakers rank the heads the same
    F_freedom: tuple[int, int]
    F_p: float


def average_ranks(scores: Values) -> npt.NDArray[np.float64]:
    """(head,) mean over the speakers of a head's rank: 1 is the best; equal heads share theirs.

    Args:
        scores: (speaker, head), high is good.

    >>> average_ranks(np.array([[0.9, 0.8, 0.8], [0.7, 0.9, 0.1]]))
    array([1.5 , 1.75, 2.75])
    """
    return rankdata(-scores.round(SAME), axis=1).mean(0)


def friedman(scores: Values) -> Friedman:
    """Friedman's test, and Iman and Davenport's F of it, which is less conservative.

    With N speakers, k heads and mean ranks Rⱼ,

        χ² = 12 N / (k (k + 1)) · (Σⱼ Rⱼ² - k (k + 1)² / 4),   with k - 1 degrees of freedom
        F  = (N - 1) χ² / (N (k - 1) - χ²),        with k - 1 and (k - 1)(N - 1)

    χ² is divided by 1 - Σ (t³ - t) / (N k (k² - 1)) for ties of t heads, as SciPy does and Demšar
    does not.

    Args:
        scores: (speaker, head), of three heads or more.
    """
    speakers, heads = scores.shape
    rounded = scores.round(SAME)
    freedom = heads - 1, (heads - 1) * (speakers - 1)
    if (rounded == rounded[:, :1]).all():  # no head differs anywhere: 0 / 0
        return Friedman(0.0, freedom[0], 1.0, 0.0, freedom, 1.0)
    chi2, p = map(float, friedmanchisquare(*rounded.T))
    rest = speakers * (heads - 1) - chi2
    if rest < 1e-9:
        return Friedman(chi2, freedom[0], p, None, freedom, 0.0)
    F = iman_davenport(chi2, speakers, heads)
    return Friedman(chi2, freedom[0], p, F, freedom, float(f.sf(F, *freedom)))


def iman_davenport(chi2: float, speakers: int, heads: int) -> float:
    """F of Friedman's χ² (Iman and Davenport 1980; Demšar 2006).

    >>> round(iman_davenport(9.28, speakers=14, heads=4), 2)
    3.69
    """
    return (speakers - 1) * chi2 / (speakers * (heads - 1) - chi2)


def critical_difference(speakers: int, heads: int) -> float:
    """Nemenyi's: mean ranks so far apart differ, all pairs of heads considered.

    CD = q √(k (k + 1) / 6 N), q of the studentised range over √2.

    >>> round(critical_difference(speakers=14, heads=4), 2)
    1.25
    """
    q = studentized_range.ppf(1 - ALPHA, heads, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(heads * (heads + 1) / (6 * speakers)))


def groups(ranks: npt.NDArray[np.float64], difference: float) -> list[list[int]]:
    """The largest sets of heads of which no two are `difference` or more apart, best ranks first.

    >>> groups(np.array([3.143, 2.0, 2.893, 1.964]), 1.0)
    [[3, 1, 2], [2, 0]]
    """
    order = np.argsort(ranks, kind="stable")
    found: list[list[int]] = []
    for start, first in enumerate(order):
        near = [int(other) for other in order[start:] if ranks[other] - ranks[first] < difference]
        if len(near) > 1 and not any(set(near) <= set(group) for group in found):
            found.append(near)
    return found
