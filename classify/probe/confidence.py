"""How sure a score is, when the utterances of a speaker are not independent of each other.

What is drawn, or exchanged, is always a whole speaker.
"""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import numpy.typing as npt

from classify.metrics import Counts, Scores, accuracy, f1, f1_macro, recall, uar

SCORES: Mapping[str, Callable[[Counts], Scores]] = {
    "uar": uar,
    "accuracy": accuracy,
    "f1_macro": f1_macro,
}
CHUNK = 1 << 23  # numbers of the drawn confusion matrices that are in memory at once
EXACT = 13  # speakers; of so many, all exchanges are tried

Samples = dict[str, Scores]  # score → (draw, …)


def draw_clusters(clusters: int, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """(draw, cluster) how often each is drawn, when as many as there are are drawn with
    replacement."""
    random = np.random.default_rng(seed)
    return random.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)


def bootstrap(
    counts: Counts,
    draws: int,
    seed: int,
    scores: Mapping[str, Callable[[Counts], Scores]] = SCORES,
) -> Samples:
    """Scores of samples of speakers, drawn with replacement: the cluster bootstrap.

    Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8: the largest
    units that are independent are drawn, with all that belongs to them.

    Args:
        counts: (speaker, …, truth, prediction) confusion matrices.
        draws: how many samples.
        seed: of the draws; all "…" share them, so their scores stay paired.
        scores: of confusion matrices (…, truth, prediction).
    """
    times = draw_clusters(len(counts), draws, seed).astype(np.float64)
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    step = max(1, CHUNK // flat.shape[1])
    parts = []
    for start in range(0, draws, step):
        drawn = (times[start : start + step] @ flat).reshape(-1, *counts.shape[1:])
        parts.append({name: score(drawn) for name, score in scores.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in scores}


def bootstrap_of_classes(counts: Counts, draws: int, seed: int) -> Samples:
    """The same where every speaker is a class of its own: the mean over the speakers drawn.

    A speaker drawn twice counts twice, which a UAR over the classes that occur would not do.

    Args:
        counts: (…, truth, prediction) confusion matrices of all utterances.
        draws: how many samples.
        seed: of the draws.
    """
    classes = counts.shape[-1]
    times = draw_clusters(classes, draws, seed)
    support = counts.sum(-1)
    return {
        "uar": np.tensordot(times, recall(counts), (1, -1)) / classes,
        "accuracy": np.tensordot(times, recall(counts) * support, (1, -1))
        / np.tensordot(times, support, (1, -1)),
        "f1_macro": np.tensordot(times, f1(counts), (1, -1)) / classes,
    }


def interval(samples: Scores, level: float = 0.95) -> Scores:
    """The percentile interval of samples (draw, …): (2, …), low and high."""
    return np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)


def uar_shares(counts: Counts) -> Scores:
    """What each speaker adds to the UAR: (speaker, …), summing to it over the speakers.

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


def permutation_test(differences: Scores, draws: int, seed: int) -> Scores:
    """Two-sided p of paired differences, under exchange of the two in whole speakers.

    Where nothing but chance tells two layers apart, a speaker's answers by one could as well be
    those by the other, which turns the sign of the speaker's difference. Up to 13 speakers all
    exchanges are counted; of more, `draws` random ones and the one observed (Phipson and Smyth
    2010, Permutation p-values should never be zero).

    Args:
        differences: (speaker, …) what each speaker adds to the difference of two scores.
        draws: how many random exchanges.
        seed: of those.

    Returns:
        (…,) p of the sum over the speakers being 0.
    """
    speakers = len(differences)
    if speakers <= EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=speakers)))
    else:
        signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(draws + 1, speakers))
        signs[0] = 1
    sums = np.tensordot(signs, differences, (1, 0))
    observed = np.abs(differences.sum(0))
    return (np.abs(sums) >= observed - 1e-12).mean(0)


def smallest_p(speakers: int, draws: int) -> float:
    """The least p that `permutation_test` can give.

    >>> smallest_p(5, 2000)
    0.0625
    """
    return 2.0 ** (1 - speakers) if speakers <= EXACT else 1 / (draws + 1)


def holm(p: Scores) -> Scores:
    """p values adjusted for being many (Holm 1979, A simple sequentially rejective procedure).

    The i-th smallest of m, from 0, is multiplied by m - i, and is no smaller than the one before.

    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1)
    return adjusted
