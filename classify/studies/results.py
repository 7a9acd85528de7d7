"""Paired differences of predictions, and what the files of studies have in common."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classify.dataset import Selection
from classify.evaluation.folds import Folds
from classify.stats import intervals
from classify.stats.intervals import Pair
from classify.stats.metrics import Counts
from classify.stats.scores import Json
from classify.stats.tests import holm, permutation_test, uar_shares
from data.cache.recipe import Recipe, encoder_json


@dataclass(frozen=True)
class Difference:
    """The UAR of one of two predictions of the same utterances, less that of the other."""

    uar: float
    interval: Pair
    p: float  # of an exchange of the predictions, unit by unit
    corrected: float  # p by Holm's method over the tests of its family

    def as_json(self) -> Json:
        """As plain JSON."""
        return {"uar": self.uar, "ci95": self.interval, "p": self.p, "p_holm": self.corrected}


def differences(
    first: Counts, second: Counts, families: Sequence[Any], seed: int
) -> list[Difference]:
    """The UAR of the first predictions less that of the second, of each test.

    Args:
        first, second: (unit, test, truth, prediction) confusion matrices.
        families: (test,) p are corrected for the number of tests of the same family.
        seed: of the exchanges.
    """
    both = np.stack([first, second], axis=2)
    shares = uar_shares(both)  # (unit, test, 2)
    p = permutation_test(shares[..., 0] - shares[..., 1], seed=seed)
    corrected = np.empty(len(p))
    for family in set(families):
        some = [test for test, of in enumerate(families) if of == family]
        corrected[some] = holm(p[some])
    pairs = intervals.as_json(intervals.of_difference(both))
    values = shares.sum(0) @ [1, -1]
    rows = zip(values.tolist(), pairs, p.tolist(), corrected.tolist(), strict=True)
    return [Difference(*row) for row in rows]


def described(
    recipe: Recipe, fingerprint: str, tested: Selection, folds: Folds, options: Json
) -> Json:
    """The fields of a JSON file that describe encoder, utterances, classes, folds and options.

    Args:
        recipe: of the encoder.
        fingerprint: of the cache.
        tested: the utterances of the test parts.
        folds: of the study.
        options: those that decide the numbers.
    """
    return {
        **encoder_json(recipe),
        "fingerprint": fingerprint,
        "corpora": tested.corpora,
        "utterances": len(tested.y),
        "classes": list(tested.classes),
        "support": support(tested),
        "chance": 1 / len(tested.classes),
        "folds": {
            "kind": folds.kind,
            "count": len(folds),
            "by_speaker": folds.by_speaker,
            **({"audit": folds.audit.as_json()} if folds.audit else {}),
        },
        "options": options,
    }


def support(selection: Selection) -> dict[str, int]:
    """Class → its utterances."""
    counts = np.bincount(selection.y, minlength=len(selection.classes))
    return dict(zip(selection.classes, counts.tolist(), strict=True))


def table(columns: Mapping[str, Iterable[Any]]) -> Iterator[list[str]]:
    """Rows of ``predictions.csv``, the header first, from columns by their names."""
    yield [*columns]
    for values in zip(*columns.values(), strict=True):
        yield [*map(str, values)]
