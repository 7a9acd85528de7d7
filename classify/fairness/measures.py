"""The measures that are compared between groups: UAR, recalls and calibration, or CCC and errors.

All are functions of sums over utterances, so that they are computed for many exchanges of the
groups at once. A measure has a score, which is the mean of its parts, and other statistics.
"""

from collections.abc import Sequence
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
Pairs = Sequence[tuple[Sequence[int], Sequence[int]]]  # some groups, and others


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
        return intervals.of_score(self._counts(unit, group))

    def differences(self, unit: Rows, group: Rows, pairs: Pairs) -> Bounds:
        """(pair, 1 + class) bounds of score and parts of some groups less those of others."""
        counts = self._counts(unit, group)
        each = [np.stack([counts[:, list(some)].sum(1) for some in pair], 2) for pair in pairs]
        return intervals.of_difference(np.stack(each, axis=1))

    def _counts(self, unit: Rows, group: Rows) -> Values:
        """Counts (unit, group, 1 + class, truth, prediction) of all classes, and of each alone. An
        error may be in any wrong column, because recalls do not depend on it."""
        classes = len(self.kept)
        sums = np.zeros((unit.max() + 1, group.max() + 1, 2 * classes))
        np.add.at(sums, (unit, group), self.sums[:, : 2 * classes])
        hits, support = np.split(sums, 2, axis=-1)
        each = np.arange(classes)
        counts = np.zeros((*hits.shape, classes))
        counts[..., each, each] = hits
        counts[..., each, (each + 1) % classes] = support - hits
        used = np.vstack([np.ones(classes), np.eye(classes)])  # (1 + class, truth)
        return counts[:, :, None] * used[..., None]


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

    def differences(self, unit: Rows, group: Rows, pairs: Pairs) -> Bounds:
        """NaN, (pair, 1 + target): differences of CCCs have no interval."""
        none = np.full((len(pairs), 1 + len(self.targets)), np.nan)
        return none, none


Measure = Recalls | Concordance


def _ratio(numerator: Values, denominator: Values) -> Values:
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)
