"""Differences between the groups of a column, and what they are if groups are exchanged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.fairness.measures import Measure, Rows, Values
from classify.fairness.result import ACROSS, BETWEEN, OF_CORPUS, WITHIN, Difference, Gap
from classify.stats.exchange import ROUNDING, exchanges, p_of_difference, p_of_range
from classify.stats.intervals import Pair, as_json

CHUNK = 1 << 23  # numbers in memory at once


@dataclass(frozen=True)
class Comparison:
    """Statistics of the groups of a column, as they are and where groups are exchanged."""

    measure: Measure
    names: Sequence[str]  # of the groups
    group: Rows  # (utterance,) number of its group
    unit: Rows  # (utterance,) number of its unit
    observed: Values  # (group, statistic)
    difference: Values  # (group,) score of a group less that of all others together
    values: Values  # (exchange, group, statistic)
    differences_exchanged: Values  # (exchange, group)
    exchanged: str

    @classmethod
    def of(cls, measure: Measure, names: Sequence[str], group: Rows, unit: Rows,
           corpus: npt.NDArray[np.str_], seed: int) -> "Comparison":  # fmt: skip
        """Exchange the groups of utterances: of their groups, units and corpora (utterance,)."""
        numbers = unit * len(names) + group
        _, first, block = np.unique(numbers, return_index=True, return_inverse=True)
        own = group[first]
        sums = np.zeros((len(first), measure.sums.shape[1]))
        np.add.at(sums, block, measure.sums)
        exchanged, strata = _strata(unit[first], own, corpus[first])
        labels = exchanges(own, strata, seed)
        step = max(1, CHUNK // (len(sums) * len(names)))
        parts = [
            _statistics(measure, sums, labels[start : start + step])
            for start in range(0, len(labels), step)
        ]
        values, differing = (np.concatenate(each) for each in zip(*parts, strict=True))
        (observed,), (difference,) = _statistics(measure, sums, own[None])
        return cls(measure, names, group, unit, observed, difference, values, differing, exchanged)

    @property
    def smallest_p(self) -> float:
        """The share of the exchanges that have the largest difference of the score."""
        first = self.differences_exchanged[:, 0]
        far = np.abs(first - np.nanmean(first))
        return float(np.mean(far >= np.nanmax(far) - ROUNDING))

    def differences(self) -> Iterator[Difference]:
        """Each group against all others; one difference where there are two groups."""
        count = len(self.names)
        compared = range(count) if count > 2 else range(1)
        pairs = [([n], [other for other in range(count) if other != n]) for n in compared]
        bounds = as_json(self.measure.differences(self.unit, self.group, pairs))
        p = p_of_difference(self.differences_exchanged, self.difference)
        for n in compared:
            against = self.names[1] if count == 2 else "others"
            test = _tested(self.difference[n], bounds[n][0], p[n])
            yield Difference(*test, self.names[n], against)

    def gaps(self) -> Iterator[Gap]:
        """The largest differences between two groups, of each statistic."""
        names, measure = self.names, self.measure
        highest, lowest = self.observed.argmax(0).tolist(), self.observed.argmin(0).tolist()
        p = p_of_range(self.values, self.observed)
        about = [(measure.name, ""), *((measure.part, part) for part in measure.parts)]
        pairs = list(zip(highest, lowest, strict=True))[: len(about)]
        distinct = list(dict.fromkeys(pairs))
        each = [([one], [two]) for one, two in distinct]
        found = measure.differences(self.unit, self.group, each)
        bounds = dict(zip(distinct, as_json(found), strict=True))
        about += [(other, "") for other in measure.others]
        for n, (of, part) in enumerate(about):
            top, bottom = highest[n], lowest[n]
            pair = bounds[top, bottom][n] if n < len(pairs) and top != bottom else None
            difference = self.observed[top, n] - self.observed[bottom, n]
            yield Gap(*_tested(difference, pair, p[n]), of, part, names[top], names[bottom])


def _statistics(measure: Measure, sums: Values, labels: Rows) -> tuple[Values, Values]:
    """(exchange, group, statistic) of each group, and (exchange, group) its score less that of all
    others together."""
    marked = labels[:, None] == np.arange(labels.max() + 1)[:, None]  # (exchange, group, block)
    of_groups = marked.astype(np.float64) @ sums
    values = measure.of(of_groups)
    score = values[..., 0]
    if score.shape[1] == 2:
        return values, score - score[:, ::-1]
    rest = of_groups.sum(1, keepdims=True) - of_groups
    return values, score - measure.of(rest)[..., 0]


def _strata(unit: Rows, group: Rows, corpus: npt.NDArray[np.str_]) -> tuple[str, Rows]:
    """The units between which groups are exchanged, and the stratum of each block (unit, group).

    Within speakers, if most speakers are in several groups; otherwise between the speakers of a
    corpus, unless each corpus has one group.
    """
    if np.mean(np.bincount(unit) > 1) > 0.5:
        return WITHIN, unit
    names, number = np.unique(corpus, return_inverse=True)
    if len(names) == 1:
        return BETWEEN, number
    if any(len(np.unique(group[number == n])) > 1 for n in range(len(names))):
        return OF_CORPUS, number
    return ACROSS, np.zeros_like(number)


def defined(value: Any) -> float | None:
    """A number; None: it is not defined."""
    return float(value) if np.isfinite(value) else None


def _tested(difference: Any, interval: Pair, p: Any) -> tuple[float | None, Pair, float | None]:
    return defined(difference), interval, defined(p)
