"""Compare the held-out predictions of groups."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import Selection
from classify.evaluation.folds import Folds, units
from classify.evaluation.run import Run, evaluate
from classify.fairness.comparison import Comparison, defined
from classify.fairness.groups import Grouping, Rows, grouping
from classify.fairness.measures import Concordance, Measure, Recalls
from classify.fairness.options import CUTS, KNOWN, FairnessOptions
from classify.fairness.result import Column, Fairness, Group, Part, Test, TooSmall
from classify.options import Options
from classify.stats.intervals import as_json
from classify.stats.scores import Json
from classify.stats.tests import holm
from data.cache.recipe import encoder_json
from data.errors import UsageError
from data.text import several

FEWEST_SPEAKERS = 2  # of a group that is scored
FEWEST_OF_CLASS = 5  # utterances; a group that has fewer of a class is taken to lack it
FEWEST_CLASSES = 2  # that all groups have
MANY = 5  # groups; a message does not list more
FEWEST = 10  # utterances of a group, where numbers are predicted


@dataclass(frozen=True)
class Study:
    """A cross-validation, and its groups."""

    options: FairnessOptions
    run: Run
    fairness: Fairness

    @cached_property
    def metrics(self) -> Json:
        """The content of ``fairness.json``: `Fairness`, and what the run has of ``metrics.json``
        that tells how it was made."""
        run = self.run
        about = ("utterances", "split", "fold_audit", "corpora", "fingerprint")
        return {
            **self.fairness.as_json(),
            "value": self.fairness.value,
            "classes": list(run.dataset.classes),
            "targets": list(run.dataset.targets),
            **encoder_json(run.dataset.described),
            **{name: run.metrics[name] for name in about if name in run.metrics},
            "options": self.options.as_json() | run.dataset.features.as_json(),
        }


def study(options: FairnessOptions, jobs: int = -1) -> Study:
    """Cross-validate a head, and compare groups of its predictions.

    Raises:
        CacheError, UsageError: the cache does not exist or lacks what the options require, or no
            column has two groups that can be scored.
        HeadError: the head cannot be fitted.
    """
    run = evaluate(options.shared, jobs)
    for column in options.cuts:
        values = run.dataset.utterances.get(column)
        if values is not None and not pd.api.types.is_numeric_dtype(values):
            raise UsageError(f"--cut {column}: it holds text, and only numbers can be cut")
    found = of_run(run, options.by, options.all_cuts)
    if not found.columns:
        reasons = [f"{name}: {reason}" for name, reason in found.left_out.items()]
        why = "; ".join(reasons) or f"no column of {', '.join(KNOWN)} has two groups"
        raise UsageError(f"{options.shared.cache}: {why}; name another column with --by")
    return Study(options, run, found)


def of_run(
    run: Run, by: Sequence[str] = (), cuts: Mapping[str, Sequence[float]] = CUTS
) -> Fairness:
    """Compare groups of a cross-validation; see `of_predictions`."""
    return of_predictions(run.options, run.dataset, run.folds, run.result.by_seed, by, cuts)


def of_predictions(
    options: Options,
    selection: Selection,
    folds: Folds,
    by_seed: npt.NDArray[np.float64],
    by: Sequence[str] = (),
    cuts: Mapping[str, Sequence[float]] = CUTS,
) -> Fairness:
    """Compare groups.

    Args:
        options: of the predictions; their seed is that of the exchanges of the groups.
        selection: the tested utterances.
        folds: in which they were held out.
        by_seed: (seed, utterance, class or target) predictions.
        by: columns; none: those of `KNOWN` that have two groups.
        cuts: see `classify.fairness.groups.grouping`.

    Raises:
        UsageError: a column that `by` names has no two groups.
    """
    study = _Study(selection, folds, by_seed, options.seed)
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for grouped in _groupings(selection, by, cuts, options.targets):
        found = study.column(grouped)
        if isinstance(found, Column):
            columns.append(found)
        else:
            left_out[grouped.column] = found
    whole = study.measure(np.arange(len(selection.y)), np.arange(len(selection.classes)))
    value = float(whole.of(whole.sums.sum(0))[0])
    _correct(columns)
    return Fairness(whole.name, whole.label, whole.part, value, tuple(columns), left_out)


def _groupings(
    selection: Selection,
    by: Sequence[str],
    cuts: Mapping[str, Sequence[float]],
    targets: Sequence[str],
) -> Iterator[Grouping]:
    """Those of the columns that are named, or known, have two groups and are no target."""
    if by:
        yield from (grouping(selection, column, cuts) for column in by)
        return
    for column in KNOWN:
        if column in selection.utterances and column not in targets:
            with contextlib.suppress(UsageError):  # it has one value, or quantities
                yield grouping(selection, column, cuts)


@dataclass(frozen=True)
class _Study:
    """The predictions whose groups are compared."""

    selection: Selection
    folds: Folds
    by_seed: npt.NDArray[np.float64]
    seed: int

    @cached_property
    def unit(self) -> Rows:
        """(utterance,) number of its speaker; where speakers are unknown, all may be one."""
        if not self.folds.by_speaker:
            return np.zeros(len(self.selection.y), np.intp)
        return units(self.selection, self.folds)[1]

    def measure(self, rows: Rows, kept: Rows) -> Measure:
        """What is computed of some utterances, of some classes alone."""
        chosen = self.selection
        if chosen.classes:
            return Recalls(chosen.y[rows], self.by_seed[:, rows], kept, chosen.classes)
        return Concordance(chosen.y[rows], self.by_seed[:, rows].mean(0), chosen.targets)

    def column(self, grouped: Grouping) -> Column | str:
        """The groups of a column, or the reason why they cannot be compared."""
        chosen = self.selection
        kept, reasons = self._usable(grouped)
        used = [number for number in range(len(grouped.names)) if number not in reasons]
        too_small = tuple(
            TooSmall(name, *self._size(grouped.group == number), reasons[number])
            for number, name in enumerate(grouped.names)
            if number in reasons
        )
        if len(used) < 2:
            listed = ", ".join(f"{one.name}: {one.reason}" for one in too_small[:MANY])
            listed += f" and {len(too_small) - MANY} more" if len(too_small) > MANY else ""
            return f"fewer than two groups can be scored ({listed})"
        scored = np.isin(grouped.group, used)
        if chosen.classes:
            scored &= np.isin(chosen.y, kept)
        rows = np.flatnonzero(scored)
        group = np.searchsorted(used, grouped.group[rows])
        _, own = np.unique(self.unit[rows], return_inverse=True)
        measure = self.measure(rows, kept)
        names = [grouped.names[number] for number in used]
        corpus = chosen.utterances["corpus"].to_numpy(str)[rows]
        compared = Comparison.of(measure, names, group, own, corpus, self.seed)
        low, high = measure.intervals(own, group)
        pairs = as_json((low, high))
        groups = []
        for number, name in enumerate(names):
            mask = grouped.group == used[number]
            speakers, utterances = self._size(mask)
            score, *rest = map(defined, compared.observed[number])
            parts = zip(measure.parts, rest, pairs[number][1:], strict=False)
            groups.append(Group(
                name, speakers, utterances, int((group == number).sum()),
                {one: int((chosen.y[mask] == n).sum()) for n, one in enumerate(chosen.classes)},
                score, pairs[number][0],
                {part: Part(value, pair) for part, value, pair in parts},
                dict(zip(measure.others, rest[len(measure.parts):], strict=True)),
            ))  # fmt: skip
        return Column(
            grouped.column, compared.exchanged, compared.smallest_p, grouped.unknown, measure.parts
            if chosen.classes else (), tuple(groups), too_small,
            tuple(compared.differences()), tuple(compared.gaps()),
        )  # fmt: skip

    def _size(self, mask: npt.NDArray[np.bool_]) -> tuple[int | None, int]:
        """Number of speakers and utterances."""
        known = self.folds.by_speaker
        return len(np.unique(self.unit[mask])) if known else None, int(mask.sum())

    def _usable(self, grouped: Grouping) -> tuple[Rows, dict[int, str]]:
        """Classes that all scored groups have, and why a group is not scored.

        The groups with most utterances come first. A group that would leave fewer than two of the
        classes that they share, or fewer than half, is not scored.
        """
        chosen, reasons = self.selection, {}
        kept = np.arange(len(chosen.classes))
        sizes = [int((grouped.group == number).sum()) for number in range(len(grouped.names))]
        for number in np.argsort(-np.array(sizes), kind="stable").tolist():
            mask = grouped.group == number
            speakers, utterances = self._size(mask)
            if speakers is not None and speakers < FEWEST_SPEAKERS:
                reasons[number] = several(speakers, "speaker")
            elif not chosen.classes:
                if utterances < FEWEST:
                    reasons[number] = several(utterances, "utterance")
            else:
                counts = np.bincount(chosen.y[mask], minlength=len(chosen.classes))
                shared = kept[counts[kept] >= FEWEST_OF_CLASS]
                if len(shared) < max(FEWEST_CLASSES, len(kept) / 2):
                    reasons[number] = (
                        f"{len(shared)} of {len(kept)} classes with {FEWEST_OF_CLASS} utterances"
                    )
                else:
                    kept = shared
        return kept, reasons


def _correct(columns: Sequence[Column]) -> None:
    """Correct p for all tests of the same kind in all columns."""
    kinds: dict[str, list[Test]] = {}
    for column in columns:
        kinds.setdefault("", []).extend(column.differences)
        for gap in column.gaps:
            kinds.setdefault(gap.of, []).append(gap)
    for tests in kinds.values():
        corrected = holm([np.nan if test.p is None else test.p for test in tests])
        for test, p in zip(tests, corrected.tolist(), strict=True):
            test.corrected = None if test.p is None else p
