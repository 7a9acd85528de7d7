"""Confidence intervals of scores over speakers: the delete-one-speaker jackknife.

Utterances of one speaker are not independent, so the speaker is what is left out (Tukey 1958;
Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 11). With few speakers the
percentile bootstrap is too narrow: its variance is too small by (k - 1) / k, and its quantiles are
not those of Student's t. ``docs/statistics.md`` has the simulated coverage of both.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit  # scipy.stats would take a second to import

from classify.stats.agreement import ccc, left_out_ccc
from classify.stats.metrics import METRICS, Counts, Metric, Values, uar

Score = Callable[[Counts], Values]
Interval = tuple[Values, Values]
Pair = list[float] | None  # [low, high]; None: there is no interval

FEWEST = 4  # speakers that an interval needs
LEVEL = 0.95
CHUNK = 1 << 23  # numbers of the confusion matrices that are in memory at once
ROUNDING = 1e-20  # variance that is 0 but for rounding
ALMOST_ALL = 0.999  # the largest share of the utterances that one speaker is taken to have


def interval(counts: Counts, score: str | Score = "uar", level: float = LEVEL) -> Interval:
    """Confidence interval of a score, over speakers.

    Every speaker is left out in turn. With θ the score of all k speakers and θ₍ₛ₎ that of all but
    speaker s, the variance is v = (k - 1) / k · Σₛ (θ₍ₛ₎ - θ)². A class that only speaker s has
    keeps its recall in θ₍ₛ₎. The interval is that of `wilson`, on the metric's range.

    Args:
        counts: (speaker, truth, prediction) confusion matrices, or (speaker, layer, truth,
            prediction). Speakers without utterances do not count.
        score: name of a metric in `classify.stats.metrics.METRICS`, or a function from counts
            (…, truth, prediction) to scores (…) between 0 and 1.
        level: share of such intervals that hold the true score.

    Returns:
        low and high, each a number or (layer,). NaN, with a RuntimeWarning, where there are fewer
        than 4 speakers: there is no interval then.

    Raises:
        ValueError: the counts are not such matrices, the score is unknown, or the level is not
            between 0 and 1.

    >>> counts = np.array([[[7, 3], [2, 8]], [[9, 1], [4, 6]], [[8, 2], [6, 4]], [[6, 4], [1, 9]]])
    >>> low, high = interval(counts)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.582 to 0.815
    """
    low, high = of_score(counts, score, level)
    if np.isnan(low).any():
        warnings.warn(
            f"no interval: fewer than {FEWEST} of {len(counts)} speakers have utterances",
            RuntimeWarning,
            stacklevel=2,
        )
    return low, high


def of_score(counts: Counts, score: str | Score = "uar", level: float = LEVEL) -> Interval:
    """`interval` without its warning."""
    metric = _metric(score)
    span = metric.high - metric.low

    def on_unit(counts: Counts) -> Values:
        return (metric(counts) - metric.low) / span

    total = _total(counts)
    value, shares = on_unit(total), _shares(counts, total)
    speakers = _speakers(shares)
    scale = (speakers - 1) / np.maximum(speakers, 1)
    variance = scale * _squares(on_unit, counts, total, value)
    low, high = wilson(value, variance, shares, _independent(total), level)
    return metric.low + span * low, metric.low + span * high


def of_difference(counts: Counts) -> Interval:
    """Confidence interval of the first of two UARs less the second, paired by speaker.

    Newcombe's square-and-add of the two intervals of `interval` (1998, Improved Confidence
    Intervals for the Difference between Binomial Proportions Based on Paired Data, method 10):
    low = θ₁ - θ₂ - √((θ₁ - l₁)² - 2 φ (θ₁ - l₁)(u₂ - θ₂) + (u₂ - θ₂)²), and high likewise. The
    correlation φ of the two scores is that of their jackknife, whose variance is taken without
    its factor (k - 1) / k here: with it, simulated coverage falls to 0.92.

    Args:
        counts: (speaker, …, 2, truth, prediction) confusion matrices of two layers or heads on the
            same utterances.

    Returns:
        low and high (…); NaN below 4 speakers.

    Raises:
        ValueError: as `interval`.
    """
    total = _total(counts)
    if total.ndim < 3 or total.shape[-3] != 2:
        raise ValueError(f"got counts {counts.shape}, expected (speaker, …, 2, truth, prediction)")
    value = uar(total)
    found = _first_less_second(value)
    both = _squares(uar, counts, total, value)
    low, high = wilson(value, both, _shares(counts, total), _independent(total))
    product = both[..., 0] * both[..., 1]
    difference = _squares(lambda of: _first_less_second(uar(of)), counts, total, found)
    correlation = np.divide(
        both.sum(-1) - difference, 2 * np.sqrt(product), out=np.zeros_like(product),
        where=product > ROUNDING,
    )  # fmt: skip
    below, above = np.maximum(value - low, 0), np.maximum(high - value, 0)
    return (
        np.maximum(found - _added(below[..., 0], above[..., 1], correlation), -1),
        np.minimum(found + _added(above[..., 0], below[..., 1], correlation), 1),
    )


def _first_less_second(scores: Values) -> Values:
    return scores[..., 0] - scores[..., 1]


def _added(first: Values, second: Values, correlation: Values) -> Values:
    return np.sqrt(np.maximum(first**2 + second**2 - 2 * correlation * first * second, 0))


def of_classes(counts: Counts, score: str = "uar") -> Interval:
    """Confidence interval over classes, for a target whose classes are the speakers.

    Args:
        counts: (…, truth, prediction) confusion matrices of all utterances.
        score: name of a metric.

    Returns:
        low and high (…); NaN below 4 classes, and of a metric that is no mean over the classes.
    """
    metric, support = METRICS[score], counts.sum(-1)
    if metric.of_class is None:
        none = np.full(support.shape[:-1], np.nan)
        return none, none
    weights = support if metric.by_support else np.ones(support.shape)
    parts = np.moveaxis(metric.of_class(counts), -1, 0)
    shares = np.moveaxis(weights / weights.sum(-1, keepdims=True), -1, 0)
    value = (shares * parts).sum(0)
    left_out = (value - shares * parts) / (1 - shares)
    classes = len(parts)
    variance = (classes - 1) / classes * ((left_out - value) ** 2).sum(0)
    return wilson(value, variance, shares, _independent(counts))


def of_ccc(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, speakers: npt.NDArray[np.integer]
) -> Interval:
    """Confidence intervals of concordance correlation coefficients, and of their mean.

    The jackknife of `interval` on the scale of Fisher's z (Lin 1989, section 3): its variance is
    v / (1 - θ²)².

    Args:
        truth: (utterance, target) numbers.
        prediction: (utterance, target) likewise.
        speakers: (utterance,) number of the speaker, from 0.

    Returns:
        low and high (target + 1,), the last of the mean over the targets; NaN where a coefficient
        is not defined and where there are fewer than 4 speakers.

    Raises:
        ValueError: as `classify.stats.agreement.ccc`.
    """
    value, left_out = ccc(truth, prediction), left_out_ccc(truth, prediction, speakers)
    value = np.append(value, value.mean())
    left_out = np.column_stack([left_out, left_out.mean(1)])
    count = len(left_out)
    variance = (count - 1) / count * ((left_out - value) ** 2).sum(0)
    shares = np.bincount(speakers) / len(speakers)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = _quantile(shares, LEVEL) * np.sqrt(variance) / (1 - value**2)
        return np.tanh(np.arctanh(value) - half), np.tanh(np.arctanh(value) + half)


def wilson(
    value: Values, variance: Values, shares: Values, independent: Values, level: float = LEVEL
) -> Interval:
    """Interval of a score between 0 and 1 whose variance is known from clusters.

    The interval of Wilson (1927) for n = θ (1 - θ) / v utterances, with Student's t in place of the
    normal quantile, as Dean and Pagano recommend for clusters (2015, Evaluating Confidence Interval
    Methods for Binomial Proportions in Clustered Surveys):
    (θ + t²/2n ± t √(θ (1 - θ)/n + t²/4n²)) / (1 + t²/n).

    Args:
        value: (…) the score θ.
        variance: (…) its variance v.
        shares: (speaker, …) share of the utterances that each speaker has.
        independent: (…) n where v is 0, as where everything is right.
        level: of the interval.
    """
    t = _quantile(shares, level)
    spread = value * (1 - value)
    known = (variance > ROUNDING) & (spread > 0)
    n = np.divide(spread, variance, out=np.array(independent, float), where=known)
    middle = value + t**2 / (2 * n)
    half = t * np.sqrt(spread / n + (t / (2 * n)) ** 2)
    scale = 1 + t**2 / n
    return np.maximum((middle - half) / scale, 0), np.minimum((middle + half) / scale, 1)


def degrees_of_freedom(shares: Values) -> Values:
    """Degrees of freedom (…) of Student's t for a jackknife over speakers of unequal weight.

    k - 1 where all k speakers have the same share of the utterances. Otherwise the mean of k - 1
    and Satterthwaite's approximation 2 E²/Var of the jackknife's variance, where the scores of
    speakers vary alike (Bell and McCaffrey 2002, Bias Reduction in Standard Errors for Linear
    Regression with Multi-Stage Samples). The latter alone makes intervals too wide, since the
    jackknife's variance is too large then; k - 1 alone makes them too narrow.

    Args:
        shares: (speaker, …) share of the utterances that each speaker has.

    >>> float(degrees_of_freedom(np.full(6, 1 / 6)).round(3))
    5.0
    >>> float(degrees_of_freedom(np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.1])).round(3))
    3.364
    """
    w = np.minimum(shares, ALMOST_ALL)
    d = (w / (1 - w)) ** 2  # (θ₍ₛ₎ - θ)² for a difference of 1 between speaker s and the others
    squares = (w**2).sum(0)
    # M = (I - 1wᵀ)ᵀ diag(d) (I - 1wᵀ); its trace and that of its square
    trace = (d * (1 - 2 * w + squares)).sum(0)
    d0, d1, d2 = d.sum(0), (d * w).sum(0), (d * w**2).sum(0)
    square = (squares * d0) ** 2 + 2 * d2 * d0 - 4 * squares * d1 * d0 + 2 * d1**2
    square = square + (d**2 * (1 + 2 * (squares - 2 * w))).sum(0)
    return (_speakers(shares) - 1 + trace**2 / square) / 2


def _metric(score: str | Score) -> Metric:
    if isinstance(score, Metric):
        return score
    if not isinstance(score, str):
        return Metric("", "", score)
    if score not in METRICS:
        raise ValueError(f"got score {score!r}, expected a function or one of {', '.join(METRICS)}")
    return METRICS[score]


def _total(counts: Counts) -> Counts:
    """(…, truth, prediction) counts of all speakers; refuses what are no confusion matrices."""
    shape = counts.shape
    if len(shape) < 3 or shape[-1] != shape[-2] or not counts.size:
        raise ValueError(f"got counts {shape}, expected (speaker, truth, prediction)")
    if not (np.isfinite(counts).all() and counts.min() >= 0):
        raise ValueError("got counts below 0, or not finite")
    return counts.sum(0)


def _shares(counts: Counts, total: Counts) -> Values:
    """(speaker, …) share that a speaker has of each class, averaged over the classes."""
    support, all_of = counts.sum(-1), total.sum(-1)
    shares = np.divide(support, all_of, out=np.zeros(support.shape), where=all_of > 0)
    return shares.sum(-1) / np.maximum((all_of > 0).sum(-1), 1)


def _independent(total: Counts) -> Values:
    """(…) utterances of one class with as much information as these of several: K² / Σ 1/nₖ."""
    support = total.sum(-1)
    inverse = np.divide(1, support, out=np.zeros(support.shape), where=support > 0)
    return (support > 0).sum(-1) ** 2 / inverse.sum(-1)


def _squares(function: Score, counts: Counts, total: Counts, value: Values) -> Values:
    """(…) Σₛ (θ₍ₛ₎ - θ)² over the speakers."""
    squares = np.zeros(np.shape(value))
    step = max(1, CHUNK // total.size)
    for first in range(0, len(counts), step):
        left = total - counts[first : first + step]
        lost = (left.sum(-1, keepdims=True) == 0) & (total.sum(-1, keepdims=True) > 0)
        squares += ((function(np.where(lost, total, left)) - value) ** 2).sum(0)
    return squares


def _speakers(shares: Values) -> Values:
    return (shares > 0).sum(0)


def _quantile(shares: Values, level: float) -> Values:
    """(…) of Student's t; NaN where there are too few speakers."""
    if not 0 < level < 1:
        raise ValueError(f"got level {level}, expected a share between 0 and 1, such as 0.95")
    freedom = np.maximum(degrees_of_freedom(shares), 1)
    return np.where(_speakers(shares) < FEWEST, np.nan, stdtrit(freedom, (1 + level) / 2))


def in_words(pair: Pair) -> str:
    """Format what `as_json` returns, for tables.

    >>> in_words([0.25, 0.5]), in_words(None)
    ('[0.250, 0.500]', '(no interval: fewer than 4 speakers)')
    """
    if pair is None:
        return f"(no interval: fewer than {FEWEST} speakers)"
    return "[{:.3f}, {:.3f}]".format(*pair)


def as_json(found: Interval) -> Any:
    """[low, high], or a list of them; None where there is no interval.

    >>> as_json((np.array([0.25, np.nan]), np.array([0.5, np.nan])))
    [[0.25, 0.5], None]
    """
    low, high = found
    if np.ndim(low):
        return [as_json(pair) for pair in zip(low, high, strict=True)]
    return [float(low), float(high)] if np.isfinite(low) and np.isfinite(high) else None
