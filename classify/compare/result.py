"""The result of a comparison, and ``compare.json``.

``compare.json`` contains no times or paths, so the same command gives the same bytes. The durations
are in ``run.json``::

    encoder, control (bool), engine, precision, corpora, utterances, classes,
    support {class: utterances}, chance, fingerprint, options
    folds {kind, count, by_speaker, audit}      audit: of given folds, see `FoldsAudit`
    units {what, count}           what is left out and exchanged: speakers, or utterances where the
                                  speakers are unknown
    heads[k] ROW                  in the order asked for
    best {head, uar, smallest_p, equals, compared [{head, difference, p}]}
                                  equals: the heads not distinguishable from it; smallest_p: the
                                  least p that so few units allow
    friedman {statistic, freedom, p, F, F_freedom, F_p}       of the UAR of each speaker
    nemenyi {alpha, critical_difference, groups [[head]]}     groups: heads that do not differ in
                                                              their mean ranks
    left_out [reason]             of the tests above, which are null then
    failed {head: reason}

    ROW  head, features, uar, accuracy, f1_macro, ci95 [low, high] of the UAR, ci95_accuracy,
         ci95_f1_macro (null below 4 units), rank (mean over the speakers; null where they are
         unknown),
         per_class {class: {precision, recall, f1, support}}, per_speaker {speaker: uar},
         confusion (rows: truth)
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from classify.compare.options import CompareOptions
from classify.dataset import Selection
from classify.evaluation.folds import Folds, units
from classify.stats import best, ranks
from classify.stats.metrics import confusions, uar
from classify.stats.scores import Json, Scores
from classify.stats.tests import ALPHA, Best
from classify.studies.results import described, table
from data.cache.recipe import Recipe

FEW_HEADS = "Friedman's test and critical difference: they are for three heads or more"
UNKNOWN_SPEAKERS = (
    "Friedman's test and critical difference: the speakers are unknown. Intervals and p take "
    "utterances for independent; they are too narrow, and too small, where a voice is heard twice"
)


@dataclass(frozen=True)
class HeadResult:
    """The predictions of one cross-validated head."""

    head: str
    features: str  # as text: "mean of layers 0–12, mean + std"
    prediction: npt.NDArray[np.intp]  # (utterance,) number of the class, of all seeds together
    predictions: npt.NDArray[np.intp]  # (seed, utterance) number of the class
    seconds: float  # duration of the cross-validation


@dataclass(frozen=True)
class HeadScores:
    """Scores of one head."""

    head: str
    features: str  # as text: "mean of layers 0–12, mean + std"
    seconds: float  # duration of its cross-validation
    scores: Scores
    rank: float | None  # mean over the speakers; None: they are unknown
    per_speaker: dict[str, float]  # speaker → UAR over the classes that the speaker has

    def as_json(self) -> Json:
        """The row of ``compare.json``."""
        return {
            "head": self.head,
            "features": self.features,
            "rank": self.rank,
            "per_speaker": self.per_speaker,
            **self.scores.as_json(),
        }


@dataclass(frozen=True)
class Nemenyi:
    """Heads whose mean ranks do not differ."""

    alpha: float
    critical_difference: float
    groups: list[list[str]]


@dataclass(frozen=True)
class Comparison:
    """The scores of several heads under the same folds, and tests of their differences."""

    options: CompareOptions
    selection: Selection  # the utterances of the test parts
    folds: Folds  # of these; the audit is about all
    results: tuple[HeadResult, ...]  # in the order of the options, without failed heads
    failed: dict[str, str]  # head → reason
    recipe: Recipe
    fingerprint: str
    rows: list[HeadScores]  # of the results
    units: int  # number of speakers, or of utterances where the speakers are unknown
    best: Best  # the head with the highest UAR, and those not distinguishable from it
    left_out: list[str]  # why there are no tests of ranks; empty if there are
    friedman: ranks.Friedman | None  # of the UAR of each speaker
    nemenyi: Nemenyi | None

    @classmethod
    def of(
        cls, options: CompareOptions, selection: Selection, folds: Folds,
        results: Sequence[HeadResult], failed: dict[str, str], recipe: Recipe, fingerprint: str,
    ) -> "Comparison":  # fmt: skip
        """Score the predictions of the heads, and test their differences."""
        classes, known = selection.classes, folds.by_speaker
        names, unit = units(selection, folds)
        counts = np.stack([
            confusions(selection.y, result.predictions, unit, len(classes)).sum(1)
            for result in results
        ], axis=1)  # (unit, head, truth, prediction), of all seeds together  # fmt: skip
        of_units = uar(counts)  # (unit, head) over the classes that a speaker has
        mean_ranks = ranks.average_ranks(of_units)
        rows = [
            HeadScores(
                result.head, result.features, result.seconds, scores,
                float(rank) if known else None,
                dict(zip(names.tolist(), values.tolist(), strict=True)) if known else {},
            )
            for result, scores, rank, values in zip(
                results, Scores.of_each(counts, classes), mean_ranks, of_units.T, strict=True
            )
        ]  # fmt: skip
        left_out = [FEW_HEADS] if len(rows) < ranks.FEWEST else []
        left_out += [] if known else [UNKNOWN_SPEAKERS]
        friedman = nemenyi = None
        if not left_out:
            difference = ranks.critical_difference(*of_units.shape)
            alike = ranks.groups(mean_ranks, difference)
            groups = [[rows[head].head for head in group] for group in alike]
            friedman, nemenyi = ranks.friedman(of_units), Nemenyi(ALPHA, difference, groups)
        return cls(
            options, selection, folds, tuple(results), failed, recipe, fingerprint, rows,
            len(names), best(counts, seed=options.shared.seed), left_out, friedman, nemenyi,
        )  # fmt: skip

    @property
    def heads(self) -> list[str]:
        """The fitted heads, in the order of the options."""
        return [row.head for row in self.rows]

    @property
    def chance(self) -> float:
        """UAR of guessing."""
        return 1 / len(self.selection.classes)

    @property
    def unit(self) -> str:
        """The unit of intervals and tests: "speakers", or "utterances" where speakers are
        unknown."""
        return "speakers" if self.folds.by_speaker else "utterances"

    @cached_property
    def metrics(self) -> Json:
        """The content of ``compare.json``."""
        options = self.options.as_json()
        return {
            **described(self.recipe, self.fingerprint, self.selection, self.folds, options),
            "units": {"what": self.unit, "count": self.units},
            "heads": [row.as_json() for row in self.rows],
            "best": self.best.as_json("head", self.heads, self.rows[self.best.index].scores.uar),
            "friedman": asdict(self.friedman) if self.friedman else None,
            "nemenyi": asdict(self.nemenyi) if self.nemenyi else None,
            "left_out": self.left_out,
            "failed": self.failed,
        }

    def predictions(self) -> Iterator[list[str]]:
        """Rows of ``predictions.csv``, the header first, with the predictions of all heads for one
        utterance."""
        names = np.array(self.selection.classes)
        return table({
            "id": self.selection.utterances["id"],
            "speaker": self.selection.utterances["speaker"],
            "fold": self.folds.fold,
            "truth": self.selection.truth,
            **{result.head: names[result.prediction] for result in self.results},
        })  # fmt: skip
