"""Similarity of two representations of the same utterances: debiased linear CKA.

Centred kernel alignment (Kornblith et al. 2019, Similarity of Neural Network Representations
Revisited, section 3) is the correlation of the utterances' similarities to each other. It does not
change when features are rotated, or all scaled alike. Its plain estimate is the higher the fewer
utterances there are for the width of the features: with 500 of 768, unrelated noise scores 0.6. So
HSIC is estimated without bias here (Song et al. 2012, Feature Selection via Dependence
Maximization, section 2.4; for CKA: Nguyen et al. 2021, Do Wide and Deep Networks Learn the Same
Things?, section 2), and unrelated representations come out about 0, on either side of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.features import Features
from data.cache import Cache
from data.cache.recipe import in_words
from data.errors import UsageError

Matrix = npt.NDArray[np.floating]

FEWEST = 4  # utterances; the estimate divides by one less three times
BLOCK = 1 << 24  # elements of Gram matrices in memory at once


@dataclass(frozen=True)
class Similarity:
    """Linear CKA of the layers of one encoder with those of the same or another one."""

    encoders: tuple[str, str]  # of the rows, of the columns
    layers: tuple[tuple[int, ...], tuple[int, ...]]  # likewise
    poolings: tuple[str, ...]  # laid end to end
    values: npt.NDArray[np.float64]  # (layer, layer)
    utterances: int  # that both have
    of: int  # that were chosen in the rows' cache

    def as_json(self) -> dict[str, Any]:
        """As plain JSON; NaN, where a layer is constant, as null."""
        return {
            "encoders": list(self.encoders),
            "layers": [list(numbers) for numbers in self.layers],
            "poolings": list(self.poolings),
            "utterances": self.utterances,
            "of": self.of,
            "cka": [[None if np.isnan(v) else float(v) for v in row] for row in self.values],
        }


@dataclass(frozen=True)
class Similarities:
    """Similarities of the layers of one encoder, and of two encoders."""

    layers: Similarity  # of the probed cache with each other
    against: Similarity | None  # with those of ``--against``

    def as_json(self) -> dict[str, Any]:
        """The similarities as they are written to ``probe.json``."""
        against = self.against.as_json() if self.against else None
        return {"layers": self.layers.as_json(), "against": against}


def compare(
    cache: Cache,
    other: Cache | None = None,
    rows: npt.NDArray[np.intp] | None = None,
    poolings: Sequence[str] = (),
) -> Similarity:
    """Compare all layers of `cache` with each other, or with those of `other`.

    Utterances are matched by id and by their audio; the widths of the encoders may differ.

    Args:
        cache: its layers are the rows.
        other: its layers are the columns; None: `cache` itself.
        rows: of `cache`, which utterances; None: all.
        poolings: laid end to end; none: all that both have.

    Raises:
        UsageError: too few utterances are in both, or a pooling is not.
    """
    rows = np.arange(len(cache)) if rows is None else rows
    here, there = _common(cache, other, rows) if other else (rows, rows)
    shared = _poolings(cache, other or cache, poolings)

    def features(of: Cache, rows: npt.NDArray[np.intp]) -> list[Matrix]:
        return [Features(layer, (layer,), shared).of_cache(of, rows) for layer in of.layers]

    X = features(cache, here)
    Y = features(other, there) if other else None
    return Similarity(
        (in_words(cache.recipe), in_words((other or cache).recipe)),
        (cache.layers, (other or cache).layers),
        shared,
        cka(X, Y),
        len(here),
        len(rows),
    )


def cka(X: Sequence[Matrix], Y: Sequence[Matrix] | None = None) -> npt.NDArray[np.float64]:
    """Debiased linear CKA of each of `X` with each of `Y`, (X, Y); by default of `X` with itself.

    HSIC(X, Y) / √(HSIC(X, X) · HSIC(Y, Y)) with the unbiased estimate

        n (n - 3) HSIC = tr K̃L̃ + 1ᵀK̃1 · 1ᵀL̃1 / ((n - 1)(n - 2)) - 2 · 1ᵀK̃L̃1 / (n - 2),

    K̃ and L̃ being the Gram matrices XXᵀ and YYᵀ with zeros on the diagonal. It does not change with
    the features' means; without these, K1 = L1 = 0, and with k and l the diagonals of K and L

        n (n - 3) HSIC = ⟨K, L⟩ - n / (n - 2) · k·l + Σk Σl / ((n - 1)(n - 2)).

    ⟨K, L⟩, the sum over the products of all elements, is also the squared Frobenius norm of XᵀY:
    the N × N or the D × D form is taken, whichever is less work.

    Args:
        X: (utterance, dim) each, of the same utterances; dim may differ.
        Y: likewise.

    Returns:
        At most 1, and 1 on the diagonal of X with itself; NaN where features are constant.

    Raises:
        ValueError: fewer than 4 utterances, or not the same number.
    """
    features = [_centred(each) for each in [*X, *(Y or ())]]
    counts = {len(each) for each in features}
    if len(counts) != 1 or min(counts) < FEWEST:
        raise ValueError(f"got {sorted(counts)} utterances, expected one number from {FEWEST}")
    n = counts.pop()
    rows, columns = range(len(X)), range(len(X) if Y else 0, len(features))
    pairs = [(i, i) for i in range(len(features))]
    pairs += [(i, j) for i in rows for j in columns if i < j]
    width = max(each.shape[1] for each in features)
    cheaper = len(features) * n < len(pairs) * width
    products = _of_grams(features) if cheaper else _of_features(features, pairs)

    diagonals = np.stack([np.square(each, dtype=np.float64).sum(1) for each in features])
    sums = diagonals.sum(1)
    hsic = products - n / (n - 2) * (diagonals @ diagonals.T)
    hsic += np.outer(sums, sums) / ((n - 1) * (n - 2))
    own = np.sqrt(np.maximum(np.diag(hsic), 0))
    scale = np.outer(own[list(rows)], own[list(columns)])
    cross = hsic[np.ix_(rows, columns)]
    return np.divide(cross, scale, out=np.full(cross.shape, np.nan), where=scale > 0)


def _centred(features: Matrix) -> npt.NDArray[np.float32]:
    """Without their means, and of unit norm, so that single precision is enough."""
    centred = features - features.mean(0, dtype=np.float64)
    norm = np.linalg.norm(centred)
    constant = norm <= 1e-12 * np.linalg.norm(features)  # but for rounding
    return np.zeros(centred.shape, np.float32) if constant else (centred / norm).astype(np.float32)


def _of_grams(features: Sequence[Matrix]) -> npt.NDArray[np.float64]:
    """⟨K, L⟩ of each with each, (features, features), by stretches of all Gram matrices."""
    count, n = len(features), len(features[0])
    products = np.zeros((count, count))
    step = max(1, BLOCK // (count * n))
    for start in range(0, n, step):
        grams = np.stack([each[start : start + step] @ each.T for each in features])
        flat = grams.reshape(count, -1)
        products += flat @ flat.T
    return products


def _of_features(
    features: Sequence[Matrix], pairs: Sequence[tuple[int, int]]
) -> npt.NDArray[np.float64]:
    """The same by ‖XᵀY‖², of the given `pairs` alone."""
    products = np.full((len(features), len(features)), np.nan)
    for i, j in pairs:
        squares = np.square(features[i].T @ features[j])
        products[i, j] = products[j, i] = squares.sum(dtype=np.float64)
    return products


def _common(
    cache: Cache, other: Cache, rows: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of both caches with the same utterances, in the same order."""
    same = ["id", "sha256"]
    keys = pd.MultiIndex.from_frame(other.utterances[same])
    there = keys.get_indexer(pd.MultiIndex.from_frame(cache.utterances[same].iloc[rows]))
    both = there >= 0
    if both.sum() < FEWEST:
        raise UsageError(
            f"{other.path} has {both.sum()} of the {len(rows)} utterances chosen of {cache.path} "
            f"(same id, same audio); comparing needs {FEWEST} or more: extract the same corpora"
        )
    return rows[both], there[both]


def _poolings(cache: Cache, other: Cache, chosen: Sequence[str]) -> tuple[str, ...]:
    both = tuple(name for name in cache.poolings if name in other.poolings)
    missing = [name for name in chosen if name not in both]
    if missing or not both:
        raise UsageError(
            f"{cache.path} and {other.path} share {', '.join(both) or 'no'} pooling; requested: "
            f"{', '.join(chosen) or 'any'}"
        )
    return tuple(chosen) or both
