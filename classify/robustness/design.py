"""The design of a study: training sets and tested groups of conditions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from classify.conditions import Copies, is_small, kind, level
from classify.evaluation.folds import Folds, Parts, Rows, nested_folds, units
from classify.stats import intervals
from classify.stats.calibration import calibration_error
from classify.stats.intervals import Pair
from classify.stats.metrics import Counts, accuracy, confusions, uar
from classify.stats.scores import Json, Scores
from classify.studies.results import Difference, differences

CLEAN, CONDITION, KIND, SMALL, ALL = "clean", "condition", "kind", "small", "all"

Probabilities = npt.NDArray[np.float32]  # (sample, class); NaN: it is not tested


@dataclass(frozen=True)
class Group:
    """Conditions that are scored together."""

    what: str  # one of `CLEAN`, `CONDITION`, `KIND`, `SMALL`, `ALL`
    name: str
    numbers: tuple[int, ...]  # of its conditions
    kind: str
    level: float | None
    achieved: float | None  # mean of the measured levels
    utterances: int
    missing: int  # tested utterances that lack in a condition


@dataclass(frozen=True)
class Row:
    """The scores of a group of conditions."""

    group: Group
    scores: Scores
    ece: float
    change: Difference | None  # from clean speech; None of clean speech
    unchanged: float  # share of the utterances whose prediction is that of their clean recording
    unchanged_interval: Pair

    @property
    def error(self) -> float:
        """1 - UAR."""
        return 1 - self.scores.uar

    def as_json(self) -> Json:
        """As plain JSON."""
        group = asdict(self.group)
        del group["numbers"]
        return {
            **group,
            **self.scores.as_json(),
            "ece": self.ece,
            "change": self.change.as_json() if self.change else None,
            "unchanged": self.unchanged,
            "ci95_unchanged": self.unchanged_interval,
        }


@dataclass(frozen=True)
class Scored:
    """The predictions of a run and their scores."""

    predicted: Rows  # (sample,) class number; -1: it is not tested
    counts: Counts  # (unit, group, truth, prediction)
    rows: tuple[Row, ...]  # of each group

    def row(self, what: str, name: str = "") -> Row:
        """The row of a group; by its name if there are several of the sort."""
        return next(row for row in self.of(what) if name in ("", row.group.name))

    def of(self, what: str) -> list[Row]:
        """Rows of groups of a sort."""
        return [row for row in self.rows if row.group.what == what]


@dataclass(frozen=True)
class Design:
    """The samples of each fold, the groups of conditions, and the units of intervals and tests."""

    copies: Copies
    folds: Folds
    tested: tuple[str, ...]  # conditions
    seed: int  # of the inner folds and tests

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Clean speech, each condition, each kind with several levels, small changes, and all."""
        copies, rows = self.copies, self.folds.tested
        present = (copies.place[:, rows] >= 0).sum(1)

        def group(what: str, name: str, names: Sequence[str], of_kind: str = "") -> Group:
            numbers = [copies.names.index(one) for one in names]
            alone, count = what == CONDITION, int(present[numbers].sum())
            return Group(
                what, name, tuple(numbers), of_kind, level(name) if alone else None,
                copies.mean_achieved(numbers[0]) if alone else None, count,
                len(rows) * len(numbers) - count,
            )  # fmt: skip

        kinds: dict[str, list[str]] = {}
        for name in sorted(self.tested, key=lambda name: (kind(name), level(name) or 0.0)):
            kinds.setdefault(kind(name), []).append(name)
        groups = [group(CLEAN, CLEAN, copies.names[:1])]
        groups += [
            group(CONDITION, name, [name], of) for of, names in kinds.items() for name in names
        ]
        groups += [group(KIND, of, names, of) for of, names in kinds.items() if len(names) > 1]
        if small := [name for name in self.tested if is_small(name)]:
            groups.append(group(SMALL, SMALL, small))
        return *groups, group(ALL, ALL, self.tested)

    @cached_property
    def unit(self) -> Rows:
        """(utterance,) number of the tested speaker, or utterance if they are unknown; or -1."""
        rows, unit = self.folds.tested, np.full(len(self.copies.selection.y), -1, np.intp)
        of_all = units(self.copies.selection, self.folds)[1]
        unit[rows] = np.unique(of_all[rows], return_inverse=True)[1]
        return unit

    def parts(self, trained: Sequence[str] = ()) -> Parts:
        """Samples to train on, clean ones and those of some conditions, and to test."""
        return [self._samples(train, test, trained) for train, test in self.folds.parts]

    def inner(self, trained: Sequence[str] = ()) -> tuple[Rows, Parts, str]:
        """Folds of the training part of each fold: its number, the samples as of `parts`, and a
        description."""
        selection, by = self.copies.selection, "speaker" if self.folds.by_speaker else ""
        inner, kind = nested_folds(self.folds, selection.y, selection.speakers, by, self.seed)
        parts = [self._samples(*part, trained) for of_fold in inner for part in of_fold]
        return np.repeat(np.arange(len(inner)), [*map(len, inner)]), parts, kind

    def _samples(self, train: Rows, test: Rows, trained: Sequence[str]) -> tuple[Rows, Rows]:
        return self.copies.samples(train, trained), self.copies.samples(test, self.tested)

    def inner_uar(
        self, inner: tuple[Rows, Parts, str], outputs: Sequence[npt.NDArray],
        names: Sequence[str],
    ) -> npt.NDArray[np.float64]:  # fmt: skip
        """(fold,) mean UAR over some conditions of the outputs of its inner folds."""
        tested = np.concatenate([test for _, test in inner[1]])
        fold = np.repeat(inner[0], [len(test) for _, test in inner[1]])
        predicted = np.concatenate([output.argmax(1) for output in outputs])
        counts = self._by_condition(fold, tested, predicted, self.copies.y[tested])
        return uar(counts[:, [self.copies.names.index(name) for name in names]]).mean(1)

    def _by_condition(self, of: Rows, samples: Rows, predicted: Rows, truth: Rows) -> Counts:
        """Counts (number, condition, truth, prediction) of samples; `of`: the number of each."""
        names, classes = self.copies.names, len(self.copies.selection.classes)
        group = of * len(names) + self.copies.condition[samples]
        found = confusions(truth, predicted[None], group, classes)[:, 0]
        counts = np.zeros(((of.max() + 1) * len(names), classes, classes), found.dtype)
        counts[: len(found)] = found
        return counts.reshape(-1, len(names), classes, classes)

    def joined(self, outputs: Sequence[npt.NDArray]) -> Probabilities:
        """The outputs of all test parts, of all samples."""
        found = np.full((len(self.copies), outputs[0].shape[1]), np.nan, np.float32)
        for (_, test), output in zip(self.parts(), outputs, strict=True):
            found[test] = output
        return found

    def predicted(self, probabilities: Probabilities) -> Rows:
        """(sample,) the most probable class; -1: it is not tested."""
        known = ~np.isnan(probabilities[:, 0])
        return np.where(known, np.nan_to_num(probabilities).argmax(1), -1)

    def scored(self, probabilities: Probabilities) -> Scored:
        """Score probabilities (sample, class)."""
        copies, predicted = self.copies, self.predicted(probabilities)
        clean = predicted[copies.utterance]  # the first samples are the clean utterances
        counts = self.counts(predicted)
        same = self.counts(predicted, clean)
        of_clean = self.counts(np.where(predicted >= 0, clean, -1))
        changes = self.differences(counts, of_clean)
        share = accuracy(same.sum(0)).tolist()
        bounds = intervals.as_json(intervals.of_score(same, "accuracy"))
        scores = Scores.of_each(counts, copies.selection.classes)
        rows = []
        for group, *values in zip(self.groups, scores, changes, share, bounds, strict=True):
            some = np.flatnonzero((predicted >= 0) & np.isin(copies.condition, group.numbers))
            ece = calibration_error(probabilities[some].astype(float), copies.y[some])
            change = None if group.what == CLEAN else values[1]
            rows.append(Row(group, values[0], ece, change, *values[2:]))
        return Scored(predicted, counts, tuple(rows))

    def counts(self, predicted: Rows, truth: Rows | None = None) -> Counts:
        """(unit, group, truth, prediction) of the samples with a prediction from 0 on."""
        samples, truth = np.flatnonzero(predicted >= 0), self.copies.y if truth is None else truth
        unit = self.unit[self.copies.utterance[samples]]
        counts = self._by_condition(unit, samples, predicted[samples], truth[samples])
        return np.stack([counts[:, group.numbers].sum(1) for group in self.groups], axis=1)

    def differences(self, first: Counts, second: Counts) -> list[Difference]:
        """The UAR of the first (unit, group, truth, prediction) less that of the second, in each
        group; p are corrected over the groups of a sort."""
        return differences(first, second, [group.what for group in self.groups], self.seed)
