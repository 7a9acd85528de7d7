"""All metrics of a confusion matrix with their intervals, as runs, comparisons and probes report
them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from classify.stats.intervals import Pair, as_json, of_classes, of_score
from classify.stats.metrics import METRICS, Counts, f1, precision, recall

Json = dict[str, Any]  # a JSON object


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class."""

    precision: float
    recall: float
    f1: float
    support: int  # utterances


@dataclass(frozen=True)
class Scores:
    """Every registered metric of one confusion matrix."""

    confusion: Counts  # (truth, prediction)
    classes: tuple[str, ...]
    intervals: Mapping[str, Pair]  # metric → its 95 % interval; empty: not computed

    @classmethod
    def without_intervals(cls, confusion: Counts, classes: Sequence[str]) -> "Scores":
        """Scores of a part of the utterances, such as a fold or a speaker."""
        return cls(confusion, tuple(classes), {})

    @classmethod
    def of(cls, counts: Counts, classes: Sequence[str]) -> "Scores":
        """Pool counts (speaker, truth, prediction); the intervals are over the speakers."""
        (scores,) = cls.of_each(counts[:, None], classes)
        return scores

    @classmethod
    def of_each(
        cls, counts: Counts, classes: Sequence[str], over_classes: bool = False
    ) -> list["Scores"]:
        """The scores of each layer, head or other rater.

        Args:
            counts: (speaker, rater, truth, prediction).
            classes: their names.
            over_classes: whether every speaker is a class, so that intervals are over the classes;
                see `of_classes`.
        """
        total = counts.sum(0)
        pairs = {
            name: as_json(of_classes(total, name) if over_classes else of_score(counts, name))
            for name in METRICS
        }
        return [
            cls(confusion, tuple(classes), {name: pairs[name][rater] for name in METRICS})
            for rater, confusion in enumerate(total)
        ]

    @cached_property
    def values(self) -> dict[str, float]:
        """Metric → score."""
        return {name: float(metric(self.confusion)) for name, metric in METRICS.items()}

    @property
    def uar(self) -> float:
        """Unweighted average recall."""
        return self.values["uar"]

    @property
    def interval(self) -> Pair:
        """The interval of the UAR; None: there is none."""
        return self.intervals.get("uar")

    @cached_property
    def per_class(self) -> dict[str, ClassScores]:
        """Class → its scores."""
        columns = (precision, recall, f1)
        values = (column(self.confusion).tolist() for column in columns)
        support = map(int, self.confusion.sum(-1))
        return {
            name: ClassScores(*row)
            for name, *row in zip(self.classes, *values, support, strict=True)
        }

    @property
    def support(self) -> dict[str, int]:
        """Class → its utterances."""
        return {name: row.support for name, row in self.per_class.items()}

    @property
    def utterances(self) -> int:
        """Number of scored utterances."""
        return int(self.confusion.sum())

    def as_json(self) -> Json:
        """Metrics, intervals, scores of the classes and counts, for JSON files."""
        pairs = self.intervals.items()
        return {
            **self.values,
            **{"ci95" if name == "uar" else f"ci95_{name}": pair for name, pair in pairs},
            "per_class": {name: asdict(row) for name, row in self.per_class.items()},
            "confusion": self.confusion.tolist(),
        }
