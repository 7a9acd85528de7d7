"""Caches of the same utterances by the encoders of several folds, in one folder.

The folder contains ``folds.json`` and an ordinary cache for each encoder. In each fold, all
utterances are read from the cache of the encoder that was not trained on the fold's test part.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.atomic import publish_bytes
from data.cache.columns import HEARD
from data.cache.reader import Cache
from data.cache.recipe import EVERYTHING, fingerprint
from data.errors import CacheError, RecipeMismatch

if TYPE_CHECKING:
    import pandas

FILE = "folds.json"
FORMAT = "wav2emo caches by fold"
TUNED_FOLD = "tuned_fold"  # column of the fold that tests an utterance


class FoldedCache(Cache):
    """Reader of a folder of caches by fold; as a `Cache`, it is that of the first fold.

    Attributes:
        caches: one for each fold.

    Raises:
        CacheError: a cache is missing or damaged, or they have different utterances.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path)
        about = _read(folder)
        self.caches = [Cache(folder / one["cache"]) for one in about["folds"]]
        super().__init__(folder / about["folds"][0]["cache"])
        self.path = folder
        self._about = about
        for cache in self.caches:
            self._require_same_utterances(cache)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe of the first encoder, with the name of the fine-tuning."""
        first = self.caches[0].recipe
        weights = [cache.recipe["weights"] for cache in self.caches]
        return {
            **first,
            "model": f"{self._about['model']} (an encoder per fold)",
            "weights": fingerprint({"weights": weights}),
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all recipes."""
        return fingerprint({"recipes": [cache.recipe for cache in self.caches]})

    @property
    def everything(self) -> Cache | None:
        """The cache of the encoder that was trained on all speakers; None: there is none.

        Raises:
            CacheError: it has other utterances.
        """
        file = self.path / f"{EVERYTHING}.h5"
        if not file.exists():
            return None
        self._require_same_utterances(cache := Cache(file))
        return cache

    def _require_same_utterances(self, cache: Cache) -> None:
        if cache.utterances["id"].tolist() != self.caches[0].utterances["id"].tolist():
            raise CacheError(
                f"{cache.path}: it has other utterances than {self.caches[0].path.name}; run the "
                "same 'python -m extract' again to complete it"
            )

    @cached_property
    def fold(self) -> npt.NDArray[np.intp]:
        """(utterance,) the fold in which it is tested; -1: in none."""
        of = {name: number for number, one in enumerate(self._about["folds"])
              for name in one["tested"]}  # fmt: skip
        return np.array([of.get(name, -1) for name in self.caches[0].utterances["id"]], np.intp)

    @cached_property
    def utterances(self) -> "pandas.DataFrame":
        """As of `Cache`, of those that a fold tests, with the number of this fold. The column
        ``heard`` is about its encoder."""
        table = self.caches[0].utterances.assign(**{TUNED_FOLD: self.fold})
        for number, cache in enumerate(self.caches):
            here = self.fold == number
            heard = cache.utterances.get(HEARD)
            table.loc[here, HEARD] = "" if heard is None else heard[here]
        return table[self.fold >= 0]


def open_cache(path: str | os.PathLike[str], degraded: bool = False) -> Cache:
    """Open a cache, also a folder of caches by fold, whose conditions are not read.

    Raises:
        CacheError: see `Cache` and `FoldedCache`.
    """
    return FoldedCache(path) if (Path(path) / FILE).exists() else Cache(path, degraded)


def write(folder: Path, model: str, tested: Mapping[str, Sequence[str]], source: str) -> None:
    """Describe the caches of a folder.

    Args:
        folder: has the caches, or will have them.
        model: name of the fine-tuning.
        tested: file name of a cache → ids of the utterances that its encoder is tested on.
        source: fingerprint of the fine-tuning.

    Raises:
        RecipeMismatch: the folder has the caches of another fine-tuning.
    """
    if (folder / FILE).exists() and (other := _read(folder))["source"] != source:
        raise RecipeMismatch(
            f"{folder}: it has caches of another fine-tuning ({other['model']}); name a new folder"
        )
    folds = [{"cache": cache, "tested": list(ids)} for cache, ids in tested.items()]
    content = {"format": FORMAT, "model": model, "source": source, "folds": folds}
    publish_bytes(folder / FILE, (json.dumps(content) + "\n").encode())


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        if found["format"] != FORMAT or not found["folds"]:
            raise ValueError("another format")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{folder / FILE}: damaged ({error}); extract again") from None
    return found
