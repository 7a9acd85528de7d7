"""The result of a fairness study.

As JSON, which contains no times or paths::

    measure                           "uar", or "ccc" of numbers
    columns {name: COLUMN}
    left_out {name: reason}           columns whose groups cannot be compared

    COLUMN  exchanged                 between what groups are exchanged in the tests
            smallest_p                the least that so few speakers allow
            unknown                   utterances without a value
            classes [shared by all groups], on which alone groups are scored
            groups {name: {speakers, utterances, scored, support {class: utterances}, uar, ci95,
                           recall {class: {recall, ci95}}, ece, overconfidence}}
            too_small {name: {speakers, utterances, reason}}
            differences[n] {group, against, difference, ci95, p, corrected}      of the UAR
            gaps[n] {of, class, highest, lowest, difference, ci95, p, corrected}
                                      of: uar, recall, ece, overconfidence

Of numbers, ccc, target, rmse and bias take the place of uar, recall, ece and overconfidence, and
``support`` is empty. Speakers are null where they are unknown. p is of an exchange of groups, and
``corrected`` by Holm for all tests of the same kind in all columns.
"""

from dataclasses import dataclass, field

from classify.stats.intervals import Pair
from classify.stats.scores import Json
from classify.stats.tests import ALPHA

# between what groups are exchanged in the tests
BETWEEN, WITHIN = "speakers", "groups of a speaker"
OF_CORPUS, ACROSS = "speakers of a corpus", "speakers of different corpora"
RENAMED = {"interval": "ci95", "part": "class"}  # in JSON files


@dataclass(frozen=True)
class Part:
    """Recall of a class, or CCC of a target."""

    value: float | None
    interval: Pair


@dataclass(frozen=True)
class Group:
    """The scores of one group."""

    name: str
    speakers: int | None  # None: unknown
    utterances: int
    scored: int  # utterances of the classes that all groups have
    support: dict[str, int]  # class → utterances; empty: numbers
    value: float | None  # UAR, or mean CCC of the targets; None: not defined
    interval: Pair
    parts: dict[str, Part]
    others: dict[str, float | None]  # ece, overconfidence; or rmse, bias

    def of(self, name: str, part: str = "") -> float | None:
        """A statistic by its name: of the group, or of one of its parts."""
        return self.parts[part].value if part else self.others.get(name, self.value)

    def as_json(self, measure: str, part: str) -> Json:
        """For JSON files, with the names of the score and of its parts."""
        return {
            "speakers": self.speakers,
            "utterances": self.utterances,
            "scored": self.scored,
            "support": self.support,
            measure: self.value,
            "ci95": self.interval,
            part: {
                name: {part: one.value, "ci95": one.interval} for name, one in self.parts.items()
            },
            **self.others,
        }


@dataclass(frozen=True)
class TooSmall:
    """A group that is not scored."""

    name: str
    speakers: int | None
    utterances: int
    reason: str


@dataclass
class Test:
    """A difference with its p, and p corrected for the number of tests."""

    difference: float | None  # None: not defined, and so is p
    interval: Pair
    p: float | None
    corrected: float | None = field(default=None, kw_only=True)  # set when all columns are tested

    @property
    def significant(self) -> bool:
        """Whether the corrected p is at most 0.05."""
        return self.corrected is not None and self.corrected <= ALPHA

    def as_json(self) -> Json:
        """For JSON files."""
        return {RENAMED.get(name, name): value for name, value in vars(self).items()}


@dataclass
class Difference(Test):
    """Score of a group less that of all others."""

    group: str
    against: str  # the other group where there are two


@dataclass
class Gap(Test):
    """The highest value of a group less the lowest."""

    of: str  # name of the score, its part or another statistic
    part: str  # class or target; "": of the whole
    highest: str
    lowest: str


@dataclass(frozen=True)
class Column:
    """The groups of one column."""

    name: str
    exchanged: str
    smallest_p: float
    unknown: int
    classes: tuple[str, ...]
    groups: tuple[Group, ...]
    too_small: tuple[TooSmall, ...]
    differences: tuple[Difference, ...]
    gaps: tuple[Gap, ...]  # the first is that of the score

    @property
    def gap(self) -> Gap:
        """The difference of the score."""
        return self.gaps[0]

    def group(self, name: str) -> Group:
        """A group by its name."""
        return next(group for group in self.groups if group.name == name)

    def as_json(self, measure: str, part: str) -> Json:
        """For JSON files, with the names of the score and of its parts."""
        return {
            "exchanged": self.exchanged,
            "smallest_p": self.smallest_p,
            "unknown": self.unknown,
            "classes": list(self.classes),
            "groups": {group.name: group.as_json(measure, part) for group in self.groups},
            "too_small": {
                one.name: {
                    "speakers": one.speakers, "utterances": one.utterances, "reason": one.reason,
                }
                for one in self.too_small
            },
            "differences": [one.as_json() for one in self.differences],
            "gaps": [one.as_json() for one in self.gaps],
        }  # fmt: skip


@dataclass(frozen=True)
class Fairness:
    """Groups by several columns.

    Attributes:
        measure: name of the score: "uar" or "ccc".
        label: its heading.
        part: "recall" or "target".
        value: the score of all utterances.
        columns: those whose groups are compared.
        left_out: column → reason why its groups cannot be compared.
    """

    measure: str
    label: str
    part: str
    value: float
    columns: tuple[Column, ...]
    left_out: dict[str, str]

    def as_json(self) -> Json:
        """For JSON files."""
        columns = {column.name: column.as_json(self.measure, self.part) for column in self.columns}
        return {"measure": self.measure, "columns": columns, "left_out": self.left_out}
