"""Tests of differences between layers or heads, paired by speaker.

Whole speakers are exchanged: if two layers differ only by chance, both signs of a speaker's
difference are equally likely.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.stats.metrics import Counts, Values

ALPHA = 0.05
EXACT = 13  # speakers; of so many, all exchanges of signs are tried
DRAWS = 10_000  # random exchanges of more speakers
DECIMALS = 12  # scores that differ by less differ by rounding
ROUNDING = 1e-12  # by which two sums of the same shares may differ
CHUNK = 1 << 22  # signs in memory at once


@dataclass(frozen=True)
class Best:
    """The layer of the highest score, and those that are not distinguishable from it."""

    index: int
    p: npt.NDArray[np.float64]  # (layer,) of being as good as the best; 1 for the best itself
    difference: npt.NDArray[np.float64]  # (layer,) UAR of the best less that of the layer
    alpha: float
    smallest_p: float  # that so few speakers allow

    @property
    def equals(self) -> list[int]:
        """Layers that are not distinguishable from the best, itself among them."""
        return np.flatnonzero(self.p > self.alpha).tolist()

    def as_json(self, what: str, names: Sequence[Any], uar: float) -> dict[str, Any]:
        """For JSON files.

        Args:
            what: "layer" or "head".
            names: number or name of each.
            uar: of the best.
        """
        return {
            what: names[self.index],
            "uar": uar,
            "smallest_p": self.smallest_p,
            "equals": [names[index] for index in self.equals],
            "compared": [
                {what: name, "difference": float(self.difference[index]), "p": float(self.p[index])}
                for index, name in enumerate(names)
                if index != self.index
            ],
        }


def best(counts: Counts, alpha: float = ALPHA, draws: int = DRAWS, seed: int = 0) -> Best:
    """Find the layer of the highest UAR and the layers that are not distinguishable from it.

    The model confidence set of Hansen, Lunde and Nason (2011, The Model Confidence Set,
    Econometrica 79). The statistic is the range, the best UAR less the worst; its distribution
    where all layers are equally good comes from exchanging the signs of the speakers' deviations
    from the mean layer. While the range is significant, the worst layer is removed, and the rest
    are tested again. So the error is controlled over the choice of the best, not only over
    comparisons with a layer that was named in advance: where layers are equally good, one of them
    is declared worse in at most `alpha` of all studies.

    Args:
        counts: (speaker, layer, truth, prediction) confusion matrices; of heads likewise.
        alpha: the error.
        draws: random exchanges where there are more than 13 speakers; of fewer, all are tried.
        seed: of those.

    Raises:
        ValueError: the counts are not such matrices.

    >>> hits = np.array([[9, 8, 2], [8, 9, 3], [9, 9, 1], [7, 8, 2], [9, 8, 3], [8, 8, 2]])
    >>> counts = np.stack([hits, 10 - hits, 10 - hits, hits], -1).reshape(6, 3, 2, 2)
    >>> best(counts).index, best(counts).equals
    (0, [0, 1])
    """
    if counts.ndim != 4 or counts.shape[-1] != counts.shape[-2] or not counts.size:
        raise ValueError(f"got counts {counts.shape}, expected (speaker, layer, truth, prediction)")
    if not 0 < alpha < 1:
        raise ValueError(f"got alpha {alpha}, expected a share between 0 and 1, such as 0.05")
    shares = uar_shares(counts)  # (speaker, layer)
    score = shares.sum(0).round(DECIMALS)
    order = np.argsort(-score, kind="stable")  # the best first
    p = np.ones(len(order))
    at_least = _share_at_least(_ranges, shares[:, order], draws, seed)[1:]
    p[order[1:]] = np.maximum.accumulate(at_least[::-1])[::-1]
    smallest = smallest_p(len(shares), draws)
    return Best(int(order[0]), p, score[order[0]] - score, alpha, smallest)


def permutation_test(differences: Values, draws: int = DRAWS, seed: int = 0) -> Values:
    """Two-sided p of paired differences that were named in advance.

    Up to 13 speakers all exchanges of signs are tried; of more, `draws` random ones and the one
    observed (Phipson and Smyth 2010, Permutation p-values should never be zero).

    Args:
        differences: (speaker, …) what each speaker adds to the difference of two scores.
        draws: random exchanges.
        seed: of those.

    Returns:
        (…) p of the sum over the speakers being 0.
    """
    flat = differences.reshape(len(differences), -1)
    return _share_at_least(np.abs, flat, draws, seed).reshape(differences.shape[1:])


def holm(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P-values (test,) corrected for the number of tests, which need not be independent.

    The least is multiplied by the number of tests m, the next by m - 1, and so on; none is less
    than one before it (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure,
    Scandinavian Journal of Statistics 6). NaN is no test.

    >>> holm([0.01, 0.04, 0.03, 1.0])
    array([0.04, 0.09, 0.09, 1.  ])
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values)  # NaN last
    tests = np.isfinite(values).sum()
    scaled = values[order] * np.maximum(tests - np.arange(len(values)), 1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected


def smallest_p(speakers: int, draws: int = DRAWS) -> float:
    """The least p that so many speakers allow.

    >>> smallest_p(5)
    0.0625
    """
    return 2.0 ** (1 - speakers) if speakers <= EXACT else 1 / (draws + 1)


def uar_shares(counts: Counts) -> Values:
    """Contributions of the speakers to the UAR, (speaker, …); their sum is the UAR.

    With h the hits and n the utterances of class k, UAR = 1/K Σₖ (Σₛ hₛₖ) / (Σₛ nₛₖ), so speaker s
    adds 1/K Σₖ hₛₖ / nₖ.

    Args:
        counts: (speaker, …, truth, prediction) confusion matrices.
    """
    support = counts.sum((0, -1))
    occurs = support > 0
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    found = np.divide(hits, support, out=np.zeros(hits.shape), where=occurs)
    return found.sum(-1) / occurs.sum(-1)


def _ranges(sums: Values) -> Values:
    """(…, layer) the highest of the layers up to each one less the lowest of them."""
    return np.maximum.accumulate(sums, axis=-1) - np.minimum.accumulate(sums, axis=-1)


def _share_at_least(
    statistic: Callable[[Values], Values], values: Values, draws: int, seed: int
) -> Values:
    """(…) share of the exchanges whose statistic is at least the observed one.

    Args:
        statistic: of the sums (…) over the speakers.
        values: (speaker, …) whose signs are exchanged.
        draws: as of `best`.
        seed: as of `best`.
    """
    observed = statistic(values.sum(0))
    found, exchanges = np.zeros(observed.shape), 0
    for signs in _signs(len(values), draws, seed):
        found += (statistic(signs @ values) >= observed - ROUNDING).sum(0)
        exchanges += len(signs)
    return found / exchanges


def _signs(speakers: int, draws: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Exchanges (exchange, speaker) of signs, in blocks; the observed one, all 1, is among them."""
    if speakers <= EXACT:
        yield np.array(list(product((1.0, -1.0), repeat=speakers)))
        return
    yield np.ones((1, speakers))
    random = np.random.default_rng(seed)
    step = max(1, CHUNK // speakers)
    for first in range(0, draws, step):
        size = min(step, draws - first), speakers
        yield 2.0 * random.integers(0, 2, size, np.int8) - 1.0
