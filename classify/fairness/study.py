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
from classify.fairness.groups import grouping
from classify.fairness.measures import Concordance, Measure, Recalls, Rows
from classify.fairness.options import CUTS, KNOWN, FairnessOptions
from classify.fairness.result import Column, Fairness, Group, Part, Test, TooSmall
from classify.options import Options
from classify.stats.intervals import as_json
from classify.stats.scores import Json
from classify.stats.tests import holm
from data.cache.recipe import encoder_json
from data.errors import UsageError
from data.text import several

Mask = npt.NDArray[np.bool_]  # (utterance,)

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
        """The content of ``fairness.json``: `Fairness`, and the fields of ``metrics.json`` that
        describe the cross-validation."""
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
    predicted = _Predicted(selection, folds, by_seed, options.seed)
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for grouped in _groupings(selection, by, cuts, options.targets):
        found = predicted.column(grouped)
        if isinstance(found, Column):
            columns.append(found)
        else:
            left_out[str(grouped.name)] = found
    whole = predicted.measure(np.arange(len(selection.y)), np.arange(len(selection.classes)))
    value = float(whole.of(whole.sums.sum(0))[0])
    _correct(columns)
    return Fairness(whole.name, whole.label, whole.part, value, tuple(columns), left_out)


def _groupings(
    selection: Selection,
    by: Sequence[str],
    cuts: Mapping[str, Sequence[float]],
    targets: Sequence[str],
) -> Iterator[pd.Series]:
    """Those of the columns that are named, or known, have two groups and are no target."""
    if by:
        yield from (grouping(selection, column, cuts) for column in by)
        return
    for column in KNOWN:
        if column in selection.utterances and column not in targets:
            with contextlib.suppress(UsageError):  # it has one value, or quantities
                yield grouping(selection, column, cuts)


@dataclass(frozen=True)
class _Predicted:
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
        """The measures of some utterances, of some classes alone."""
        chosen = self.selection
        if chosen.classes:
            return Recalls(chosen.y[rows], self.by_seed[:, rows], kept, chosen.classes)
        return Concordance(chosen.y[rows], self.by_seed[:, rows].mean(0), chosen.targets)

    def column(self, grouped: pd.Series) -> Column | str:
        """The groups of a column, or the reason why they cannot be compared."""
        chosen, names, group = self.selection, [*grouped.cat.categories], grouped.cat.codes
        masks = [(group == number).to_numpy(bool) for number in range(len(names))]
        kept, reasons = self._usable(masks)
        used = [number for number in range(len(names)) if number not in reasons]
        too_small = tuple(
            TooSmall(names[number], *self._size(masks[number]), reasons[number])
            for number in sorted(reasons)
        )
        if len(used) < 2:
            listed = ", ".join(f"{one.name}: {one.reason}" for one in too_small[:MANY])
            listed += f" and {len(too_small) - MANY} more" if len(too_small) > MANY else ""
            return f"fewer than two groups can be scored ({listed})"
        scored = group.isin(used).to_numpy(bool)
        if chosen.classes:
            scored = scored & np.isin(chosen.y, kept)
        rows = np.flatnonzero(scored)
        own = np.searchsorted(used, group.iloc[rows])
        _, unit = np.unique(self.unit[rows], return_inverse=True)
        measure = self.measure(rows, kept)
        corpus = chosen.utterances["corpus"].to_numpy(str)[rows]
        compared = Comparison.of(
            measure, [names[number] for number in used], own, unit, corpus, self.seed
        )
        bounds = as_json(measure.intervals(unit, own))
        groups = []
        for number, place in enumerate(used):
            score, *rest = map(defined, compared.observed[number])
            parts = zip(measure.parts, rest, bounds[number][1:], strict=False)
            y = chosen.y[masks[place]]
            groups.append(Group(
                names[place], *self._size(masks[place]), int((own == number).sum()),
                {one: int((y == n).sum()) for n, one in enumerate(chosen.classes)},
                score, bounds[number][0],
                {part: Part(value, pair) for part, value, pair in parts},
                dict(zip(measure.others, rest[len(measure.parts):], strict=True)),
            ))  # fmt: skip
        return Column(
            str(grouped.name), compared.exchanged, compared.smallest_p, int(grouped.isna().sum()),
            measure.parts if chosen.classes else (), tuple(groups), too_small,
            tuple(compared.differences()), tuple(compared.gaps()),
        )  # fmt: skip

    def _size(self, mask: Mask) -> tuple[int | None, int]:
        """Number of speakers and utterances."""
        known = self.folds.by_speaker
        return len(np.unique(self.unit[mask])) if known else None, int(mask.sum())

    def _usable(self, masks: Sequence[Mask]) -> tuple[Rows, dict[int, str]]:
        """Classes that all scored groups have, and why a group is not scored.

        The groups with most utterances come first. A group that would leave fewer than two of the
        classes that they share, or fewer than half, is not scored.
        """
        chosen, reasons = self.selection, {}
        kept = np.arange(len(chosen.classes))
        sizes = [mask.sum() for mask in masks]
        for number in np.argsort(-np.array(sizes), kind="stable").tolist():
            speakers, utterances = self._size(masks[number])
            if speakers is not None and speakers < FEWEST_SPEAKERS:
                reasons[number] = several(speakers, "speaker")
            elif not chosen.classes:
                if utterances < FEWEST:
                    reasons[number] = several(utterances, "utterance")
            else:
                counts = np.bincount(chosen.y[masks[number]], minlength=len(chosen.classes))
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
