"""The conditions of a cache: the degraded copies of its utterances.

A condition is named by its kind and level, such as ``noise:20:babble`` or ``telephone``.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from classify.dataset import Selection
from classify.evaluation.folds import Rows
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.cache.columns import ACHIEVED, CONDITION, OF_CONDITION
from data.condition import CLEAN, clean_id
from data.errors import UsageError

ALL = "all"
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def kind(name: str) -> str:
    """A condition's name without its level.

    >>> kind("noise:20:babble"), kind("telephone")
    ('noise:babble', 'telephone')
    """
    return _parts(name)[0]


def level(name: str) -> float | None:
    """The level in a condition's name; None: it has none.

    >>> level("noise:20:babble"), level("telephone")
    (20.0, None)
    """
    return _parts(name)[1]


def _parts(name: str) -> tuple[str, float | None]:
    words = name.split(":")
    for place, word in enumerate(words):
        if place and NUMBER.fullmatch(word):
            return ":".join(words[:place] + words[place + 1 :]), float(word)
    return name, None


SMALL: dict[str, Callable[[float], bool]] = {  # kind → levels that should change no prediction
    "noise:white": lambda snr: snr >= 35,  # dB
    "gain": lambda change: abs(change) <= 2,  # dB
    "highpass": lambda frequency: frequency <= 150,  # Hz
    "lowpass": lambda frequency: frequency >= 6500,  # Hz
    "crop": lambda samples: abs(samples) <= 1000,
}


def is_small(name: str) -> bool:
    """Whether a condition changes so little that no prediction should change.

    The changes of Derington et al. (2023, Testing Speech Emotion Recognition Machine Learning
    Models, arXiv 2312.06270).

    >>> is_small("gain:-2"), is_small("gain:-20"), is_small("noise:40"), is_small("telephone")
    (True, False, True, False)
    """
    of, least = _parts(name)
    return least is not None and any(
        small(least) for one, small in SMALL.items() if of in (one, one.partition(":")[0])
    )


def is_named(name: str, word: str) -> bool:
    """Whether a word is the name of a condition, its kind with or without what follows the level,
    or `ALL`."""
    return word in (ALL, name, kind(name), name.partition(":")[0])


def named(stored: Sequence[str], asked: Sequence[str], option: str) -> tuple[str, ...]:
    """Those of the stored conditions that have one of the names or kinds asked for.

    Args:
        stored: names of conditions.
        asked: words, see `is_named`.
        option: for the message.

    Raises:
        UsageError: one of them is unknown.

    >>> named(["gain:-20", "noise:10:white", "noise:20:babble"], ["noise:babble", "gain"], "--only")
    ('gain:-20', 'noise:20:babble')
    """
    if unknown := [word for word in asked if not any(is_named(one, word) for one in stored)]:
        raise UsageError(
            f"{option} {','.join(unknown)}: the cache has the conditions {', '.join(stored)}; "
            f"expected one of these, a kind of them, or {ALL}"
        )
    return tuple(one for one in stored if any(is_named(one, word) for word in asked))


def require_conditions(cache: Cache) -> None:
    """Require that a cache has conditions, and one encoder.

    Raises:
        UsageError: it has not.
    """
    if isinstance(cache, FoldedCache):
        raise UsageError(
            f"--cache {cache.path}: it has an encoder per fold, of which each would need all "
            "conditions; name one of the caches in there"
        )
    if not cache.conditions:
        raise UsageError(
            f"--cache {cache.path}: it has no conditions; add them by the same 'python -m extract' "
            "with --degrade, such as --degrade noise:20,telephone"
        )


def clean_table(cache: Cache) -> pd.DataFrame:
    """The utterances of a cache that are not degraded, with its rows as the index.

    Raises:
        UsageError: see `require_conditions`.
    """
    require_conditions(cache)
    table = cache.utterances
    return table[table[CONDITION] == CLEAN].drop(columns=[*OF_CONDITION])


@dataclass(frozen=True)
class Copies:
    """Selected utterances in each condition. The first samples are the clean utterances."""

    selection: Selection  # the clean utterances
    names: tuple[str, ...]  # of the conditions; the first is `CLEAN`
    condition: Rows  # (sample,) number of its condition
    utterance: Rows  # (sample,) row of the selection
    everything: Selection  # all samples, by their rows of the cache with all conditions

    @classmethod
    def of(cls, selection: Selection, cache: Cache, names: Sequence[str]) -> "Copies":
        """Find the copies of selected utterances.

        Args:
            selection: of the clean utterances, by their rows in any reader of the cache.
            cache: with all conditions.
            names: of conditions.
        """
        table, ids = cache.utterances, selection.utterances["id"]
        condition = pd.Index([CLEAN, *names]).get_indexer(table[CONDITION])
        utterance = pd.Index(ids).get_indexer([clean_id(name) for name in table["id"]])
        rows = np.flatnonzero((condition > 0) & (utterance >= 0))
        clean = pd.Index(table["id"]).get_indexer(ids)
        row = np.concatenate([clean, rows])
        of_row = np.concatenate([np.arange(len(ids)), utterance[rows]])
        everything = replace(
            selection, utterances=table.iloc[row].reset_index(drop=True), rows=row,
            y=selection.y[of_row], left_out=None,
        )  # fmt: skip
        conditions = np.concatenate([np.zeros(len(ids), np.intp), condition[rows]])
        return cls(selection, (CLEAN, *names), conditions, of_row, everything)

    def __len__(self) -> int:
        return len(self.condition)

    @property
    def y(self) -> Rows:
        """(sample,) class number."""
        return self.everything.y

    @cached_property
    def place(self) -> Rows:
        """(condition, utterance) its sample; -1: the utterance is missing in the condition."""
        place = np.full((len(self.names), len(self.selection.y)), -1, np.intp)
        place[self.condition, self.utterance] = np.arange(len(self))
        return place

    def samples(self, utterances: Rows, names: Sequence[str]) -> Rows:
        """Samples of some utterances (rows of the selection), sorted: clean ones and those in some
        conditions."""
        numbers = np.array([0, *(self.names.index(name) for name in names)])
        found = self.place[np.ix_(numbers, utterances)].ravel()
        return np.sort(found[found >= 0])

    def mean_achieved(self, number: int) -> float | None:
        """Mean of the levels that a condition achieved; None: it has none."""
        values = self.everything.utterances[ACHIEVED].to_numpy(float)[self.condition == number]
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else None
