"""Scores in each condition, in each kind of condition, and in all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classify.conditions import Copies, is_small, kind, level
from classify.evaluation.folds import Folds, Rows, units
from classify.robustness.fits import Design, Probabilities
from classify.stats import intervals
from classify.stats.calibration import calibration_error
from classify.stats.intervals import Pair, as_json
from classify.stats.metrics import Counts, accuracy, confusions
from classify.stats.scores import Json, Scores
from classify.stats.tests import holm, permutation_test, uar_shares

CLEAN, CONDITION, KIND, SMALL, ALL = "clean", "condition", "kind", "small", "all"


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
class Difference:
    """The UAR of one of two predictions of the same utterances, less that of the other."""

    uar: float
    interval: Pair
    p: float
    corrected: float  # p, by Holm's method over the groups of the same sort

    def as_json(self) -> Json:
        """As plain JSON."""
        return {"uar": self.uar, "ci95": self.interval, "p": self.p, "p_holm": self.corrected}


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
        group = self.group
        return {
            "what": group.what,
            "name": group.name,
            "kind": group.kind,
            "level": group.level,
            "achieved": group.achieved,
            "utterances": group.utterances,
            "missing": group.missing,
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
    counts: Counts  # (unit, condition, truth, prediction)
    rows: tuple[Row, ...]  # of each group

    def row(self, what: str, name: str = "") -> Row:
        """The row of a group; by its name if there are several of the sort."""
        return next(
            row for row in self.rows if row.group.what == what and name in ("", row.group.name)
        )

    def of(self, what: str) -> list[Row]:
        """Rows of groups of a sort."""
        return [row for row in self.rows if row.group.what == what]


@dataclass(frozen=True)
class Groups:
    """What is scored together, and the units of intervals and tests."""

    copies: Copies
    folds: Folds
    groups: tuple[Group, ...]
    unit: Rows  # (utterance,) number of the tested speaker, or utterance if they are unknown; or -1
    seed: int

    @classmethod
    def of(cls, design: Design, seed: int) -> "Groups":
        """Clean speech, each condition, each kind with several levels, small changes, and all."""
        copies, folds = design.copies, design.folds
        tested = folds.tested
        present = (copies.place[:, tested] >= 0).sum(1)

        def group(what: str, name: str, names: Sequence[str], of_kind: str = "") -> Group:
            numbers = tuple(copies.names.index(one) for one in names)
            alone = what == CONDITION
            return Group(
                what, name, numbers, of_kind, level(name) if alone else None,
                copies.mean_achieved(numbers[0]) if alone else None,
                int(present[[*numbers]].sum()),
                int(len(tested) * len(numbers) - present[[*numbers]].sum()),
            )  # fmt: skip

        kinds: dict[str, list[str]] = {}
        for name in sorted(design.tested, key=lambda name: (kind(name), level(name) or 0.0)):
            kinds.setdefault(kind(name), []).append(name)
        groups = [group(CLEAN, CLEAN, copies.names[:1])]
        for of_kind, names in kinds.items():
            groups += [group(CONDITION, name, [name], of_kind) for name in names]
        groups += [
            group(KIND, of_kind, names, of_kind) for of_kind, names in kinds.items()
            if len(names) > 1
        ]  # fmt: skip
        if small := [name for name in design.tested if is_small(name)]:
            groups.append(group(SMALL, SMALL, small))
        groups.append(group(ALL, ALL, design.tested))
        unit = np.full(len(copies.selection.y), -1, np.intp)
        of_all = units(copies.selection, folds)[1]
        unit[tested] = np.unique(of_all[tested], return_inverse=True)[1]
        return cls(copies, folds, tuple(groups), unit, seed)

    def scored(self, probabilities: Probabilities) -> Scored:
        """Score probabilities (sample, class)."""
        copies = self.copies
        known = ~np.isnan(probabilities[:, 0])
        predicted = np.where(known, np.nan_to_num(probabilities).argmax(1), -1)
        degraded = self.counts(predicted)
        clean_of = predicted[copies.utterance]  # the first samples are the clean utterances
        clean = self.counts(np.where(known, clean_of, -1))
        same = self.grouped(self.counts(predicted, clean_of))
        counts = self.grouped(degraded)
        changes = self.differences(counts, self.grouped(clean))
        share, bounds = accuracy(same.sum(0)), as_json(intervals.of_score(same, "accuracy"))
        scores = Scores.of_each(counts, copies.selection.classes)
        rows = []
        for number, group in enumerate(self.groups):
            of_group = np.flatnonzero(known & np.isin(copies.condition, group.numbers))
            rows.append(Row(
                group, scores[number],
                calibration_error(probabilities[of_group].astype(float), copies.y[of_group]),
                None if group.what == CLEAN else changes[number],
                float(share[number]), bounds[number],
            ))  # fmt: skip
        return Scored(predicted, degraded, tuple(rows))

    def counts(self, predicted: Rows, truth: Rows | None = None) -> Counts:
        """(unit, condition, truth, prediction) of the samples with a prediction from 0 on."""
        copies = self.copies
        some = predicted >= 0
        of = self.unit[copies.utterance] * len(copies.names) + copies.condition
        found = confusions(
            (copies.y if truth is None else truth)[some], predicted[None, some], of[some],
            len(copies.selection.classes),
        )[:, 0]  # fmt: skip
        shape = int(self.unit.max()) + 1, len(copies.names)
        whole = np.zeros((shape[0] * shape[1], *found.shape[1:]), found.dtype)
        whole[: len(found)] = found
        return whole.reshape(*shape, *found.shape[1:])

    def grouped(self, counts: Counts) -> Counts:
        """(unit, group, truth, prediction) from those of conditions."""
        sums = [counts[:, list(group.numbers)].sum(1) for group in self.groups]
        return np.stack(sums, axis=1)

    def compared(self, run: Scored, other: Scored) -> list[Difference]:
        """The UAR of a run less that of another, in each group."""
        return self.differences(self.grouped(run.counts), self.grouped(other.counts))

    def differences(self, first: Counts, second: Counts) -> list[Difference]:
        """The UAR of the first less that of the second, in each group; of (unit, group, truth,
        prediction)."""
        both = np.stack([first, second], axis=2)
        bounds = as_json(intervals.of_difference(both))
        shares = uar_shares(both)
        value = shares.sum(0)
        p = permutation_test(shares[..., 0] - shares[..., 1], seed=self.seed)
        corrected = np.empty(len(p))
        for what in (CLEAN, CONDITION, KIND, SMALL, ALL):
            some = [n for n, group in enumerate(self.groups) if group.what == what]
            corrected[some] = holm(p[some])
        return [
            Difference(float(a - b), *rest)
            for (a, b), *rest in zip(value, bounds, p.tolist(), corrected.tolist(), strict=True)
        ]
