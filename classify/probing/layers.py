"""Features of the probed utterances, from the cache and from that of the control."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.features import Features, Matrix
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.errors import CacheError, UsageError

log = logging.getLogger("wav2emo")


Layer = int | str | None  # str: the mean of some; None: a baseline, which has no layers
FoldFeatures = Iterable[
    tuple[slice, Matrix]
]  # features (utterance, dim), and the folds that read them

ALL = slice(None)  # folds


@dataclass(frozen=True)
class CacheLayers:
    """Layers of a cache, of chosen utterances, with the poolings laid end to end."""

    cache: Cache
    poolings: tuple[str, ...]
    rows: npt.NDArray[np.intp]  # (utterance,)

    @property
    def name(self) -> str:
        """The poolings, as text."""
        return "+".join(self.poolings)

    def __len__(self) -> int:
        return len(self.cache.layers)

    def __iter__(self) -> Iterator[tuple[int, FoldFeatures]]:
        """Number and features (utterance, pooling · dim) of each layer: of all folds, or with an
        encoder per fold those of each."""
        if not isinstance(self.cache, FoldedCache):
            for layer, X in self.of_encoder(self.cache):
                yield layer, [(ALL, X)]
            return
        for of_folds in zip(*map(self.of_encoder, self.cache.caches), strict=True):
            read = [(slice(fold, fold + 1), X) for fold, (_, X) in enumerate(of_folds)]
            yield of_folds[0][0], read

    def of_encoder(self, cache: Cache) -> Iterator[tuple[int, Matrix]]:
        """Number and features of each layer by one encoder."""
        for layer in cache.layers:
            features = Features(layer, (layer,), self.poolings)
            yield layer, self._finite(features.of_cache(cache, self.rows), f"layer {layer}")

    def baseline(self, name: str) -> Matrix:
        """Features (utterance, dim) that are computed without an encoder."""
        return self._finite(self.cache.baseline(name)[self.rows], f"baseline {name}")

    def _finite(self, X: Matrix, what: str) -> Matrix:
        bad = ~np.isfinite(X).all(1)
        if bad.any():
            first = self.cache.utterances["id"].iloc[self.rows[bad][0]]
            raise CacheError(
                f"{self.cache.path}: {what} has NaN or infinity in {bad.sum()} utterances, the "
                f"first of them {first}: extract these again"
            )
        return X


@dataclass(frozen=True)
class Control:
    """The cache of another encoder, with the rows of the same utterances."""

    cache: Cache
    row: dict[int, int]  # row of the probed cache → row of this one

    @classmethod
    def of(cls, cache: Cache, table: pd.DataFrame) -> "Control":
        """Match the utterances of a control by id.

        Raises:
            UsageError: it has none of `table`.
        """
        there = pd.Index(cache.utterances["id"]).get_indexer(table["id"])
        common, there = table[there >= 0], there[there >= 0]
        if not len(common):
            raise UsageError(
                f"--control {cache.path}: none of its {len(cache)} utterances is among the "
                f"{len(table)} to probe; ids there are like {cache.utterances['id'].iloc[0]}, "
                f"here like {table['id'].iloc[0]}"
            )
        if len(common) < len(table):
            text = "%d of the %d utterances are in %s: only these are probed"
            log.warning(text, len(common), len(table), cache.path)
        other = common["sha256"].to_numpy() != cache.utterances["sha256"].to_numpy()[there]
        if other.any():
            text = "%d utterances have the same id, but other audio in %s"
            log.warning(text, other.sum(), cache.path)
        return cls(cache, dict(zip(common.index.tolist(), there.tolist(), strict=True)))

    def source(self, poolings: tuple[str, ...], rows: npt.NDArray[np.intp]) -> CacheLayers:
        """The control's layers of the same utterances, with the poolings that both caches have.

        Raises:
            UsageError: it has none of them.
        """
        shared = tuple(name for name in poolings if name in self.cache.poolings)
        if not shared:
            raise UsageError(
                f"--control {self.cache.path} holds {', '.join(self.cache.poolings)}; expected "
                f"some of {', '.join(poolings)}"
            )
        return CacheLayers(self.cache, shared, np.array([self.row[row] for row in rows]))
