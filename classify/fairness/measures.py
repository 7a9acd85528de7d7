"""What is compared between groups: UAR, recalls and calibration, or CCC and errors of numbers.

All are functions of sums over utterances, so that they are computed for many exchanges of the
groups at once. A measure has a score, which is the mean of its parts, and other statistics.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from classify.stats import intervals
from classify.stats.agreement import ROUNDING
from classify.stats.calibration import calibration_gaps

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Bounds = tuple[Values, Values]  # low and high


@dataclass(frozen=True)
class Recalls:
    """UAR, recall of each class, and calibration, of probabilities.

    ``ece`` is the expected calibration error; ``overconfidence`` is the mean confidence less the
    accuracy.
    """

    y: Rows  # (utterance,) class numbers, from 0
    by_seed: Values  # (seed, utterance, class of the head) probabilities
    kept: Rows  # (class,) numbers of the classes that are scored
    classes: tuple[str, ...]  # of the head

    name, label, part = "uar", "UAR", "recall"
    others = ("ece", "overconfidence")

    @property
    def parts(self) -> tuple[str, ...]:
        """The classes that are scored."""
        return tuple(self.classes[number] for number in self.kept)

    @cached_property
    def sums(self) -> Values:
        """(utterance, sum) hits and utterances of each class, gaps of each bin of confidence."""
        support = (self.y[:, None] == self.kept).astype(np.float64)
        right = (self.by_seed.argmax(2) == self.y).mean(0)
        gaps = np.mean([calibration_gaps(of_seed, self.y) for of_seed in self.by_seed], axis=0)
        return np.hstack([support * right[:, None], support, gaps])

    def of(self, sums: Values) -> Values:
        """(…, 1 + class + 2) statistics of sums (…, sum): UAR, recalls and others.

        NaN: not defined, such as a UAR where a class does not occur.
        """
        hits, support, gaps = np.split(sums, [len(self.kept), 2 * len(self.kept)], axis=-1)
        recall = _ratio(hits, support)
        total = support.sum(-1, keepdims=True)
        ece = _ratio(np.abs(gaps).sum(-1, keepdims=True), total)
        over = _ratio(-gaps.sum(-1, keepdims=True), total)
        return np.concatenate([recall.mean(-1, keepdims=True), recall, ece, over], axis=-1)

    def intervals(self, unit: Rows, group: Rows) -> Bounds:
        """(group, 1 + class) bounds of score and parts over the units of utterances."""
        whole, single = self._counts(unit, group)
        return _beside(intervals.of_score(whole), intervals.of_score(single))

    def differences(self, unit: Rows, group: Rows, pairs: list[tuple[list[int], list[int]]]
                    ) -> Bounds:  # fmt: skip
        """(pair, 1 + class) bounds of score and parts of some groups less those of others."""
        whole, single = (
            np.stack([np.stack([counts[:, one].sum(1), counts[:, two].sum(1)], 1)
                      for one, two in pairs], axis=1)
            for counts in self._counts(unit, group)
        )  # fmt: skip
        by_class = np.moveaxis(single, 2, -3)  # (unit, pair, class, 2, truth, prediction)
        return _beside(intervals.of_difference(whole), intervals.of_difference(by_class))

    def _counts(self, unit: Rows, group: Rows) -> tuple[Values, Values]:
        """Counts (unit, group, truth, prediction) of all classes, and (unit, group, class, 2, 2) of
        each against the others. Errors are in any wrong column, which no recall depends on."""
        classes = len(self.kept)
        sums = np.zeros((unit.max() + 1, group.max() + 1, 2 * classes))
        np.add.at(sums, (unit, group), self.sums[:, : 2 * classes])
        hits, support = np.split(sums, 2, axis=-1)
        each = np.arange(classes)
        whole = np.zeros((*hits.shape, classes))
        whole[..., each, each] = hits
        whole[..., each, (each + 1) % classes] = support - hits
        single = np.zeros((*hits.shape, 2, 2))
        single[..., 0, 0], single[..., 0, 1] = hits, support - hits
        return whole, single


@dataclass(frozen=True)
class Concordance:
    """CCC of each number and their mean, root mean squared error and mean error.

    ``rmse`` and ``bias``, the mean of prediction less truth, are means over the numbers.
    """

    truth: Values  # (utterance, target)
    predicted: Values  # (utterance, target)
    targets: tuple[str, ...]

    name, label, part = "ccc", "CCC", "target"
    others = ("rmse", "bias")

    @property
    def parts(self) -> tuple[str, ...]:
        """The targets."""
        return self.targets

    @cached_property
    def sums(self) -> Values:
        """(utterance, sum) 1, and the first two moments of truth and prediction."""
        t, p = (values - self.truth.mean(0) for values in (self.truth, self.predicted))
        return np.hstack([np.ones((len(t), 1)), t, p, t * t, p * p, t * p])

    def of(self, sums: Values) -> Values:
        """(…, 1 + target + 2) statistics of sums (…, sum): mean CCC, CCCs and others."""
        moments = _ratio(sums[..., 1:], sums[..., :1])
        t, p, tt, pp, tp = np.split(moments, 5, axis=-1)
        error = np.maximum(tt + pp - 2 * tp, 0)  # = st² + sp² - 2 stp + (t - p)²
        covariance = tp - t * p
        spread = error + 2 * covariance
        ccc = _ratio(2 * covariance, np.where(spread < ROUNDING * (tt + pp), 0, spread))
        means = [each.mean(-1, keepdims=True) for each in (ccc, np.sqrt(error), p - t)]
        return np.concatenate([means[0], ccc, *means[1:]], axis=-1)

    def intervals(self, unit: Rows, group: Rows) -> Bounds:
        """(group, 1 + target) bounds of score and parts over the units of utterances."""
        found = []
        for number in range(group.max() + 1):
            rows = group == number
            _, own = np.unique(unit[rows], return_inverse=True)
            found.append(intervals.of_ccc(self.truth[rows], self.predicted[rows], own))
        low, high = (
            np.roll(values, 1, axis=1) for values in map(np.array, zip(*found, strict=True))
        )
        return low, high

    def differences(self, unit: Rows, group: Rows, pairs: list[tuple[list[int], list[int]]]
                    ) -> Bounds:  # fmt: skip
        """NaN, (pair, 1 + target): differences of CCCs have no interval."""
        none = np.full((len(pairs), 1 + len(self.targets)), np.nan)
        return none, none


Measure = Recalls | Concordance


def _beside(score: Bounds, parts: Bounds) -> Bounds:
    low, high = (np.concatenate([a[..., None], b], -1) for a, b in zip(score, parts, strict=True))
    return low, high


def _ratio(numerator: Values, denominator: Values) -> Values:
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)
