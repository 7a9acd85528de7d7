"""Groups of a cross-validation as tables, and what they show in words."""

from classify.fairness.result import ACROSS, Column, Fairness, Gap, Test
from classify.formats import bounded, interval, score, signed
from classify.report.page import Row, Section, Table
from classify.stats.tests import ALPHA

OTHERS = {"ece": "ECE", "overconfidence": "overconfidence", "rmse": "RMSE",
          "bias": "mean error"}  # fmt: skip
PARTS = {"recall": "the recall of", "target": "the CCC of"}
ABOUT = (
    "Difference: the score of a group less that of all others together. Intervals are of 95 % over "
    "the speakers; below four speakers there is none. p: share of the exchanges of groups between "
    "speakers (of a corpus, where its groups vary) that give as large a difference, corrected by "
    "Holm for the number of tests in all columns."
)


def sections(found: Fairness) -> list[Section]:
    """A table of each column, and what it shows."""
    return [
        Section(f"By {column.name}", _table(column, found), verdict(column, found), level=3)
        for column in found.columns
    ]


def of_run(found: Fairness | None) -> list[Section]:
    """The part of a cross-validation's page; empty: no column of groups can be compared."""
    if found is None or not found.columns:
        return []
    text = (
        f"{found.label} of groups, from the predictions of all folds. 'python -m classify "
        "fairness' with the same options adds recalls, calibration and other columns (--by). "
        + ABOUT
    )
    return [Section("Fairness", text=text), *sections(found)]


def _table(column: Column, found: Fairness) -> Table:
    """A row for each group, also those that are too small, and one for unknown values."""
    tests = {one.group: one for one in column.differences}
    rows = [
        [group.name, _speakers(group.speakers), group.utterances,
         bounded(group.value, group.interval),
         *(_tested(tests[group.name]) if group.name in tests else ("", "")),
         score(next(iter(group.others.values())))]
        for group in column.groups
    ]  # fmt: skip
    blank = [""] * 3
    rows += [
        [one.name, _speakers(one.speakers), one.utterances, f"too small: {one.reason}", *blank]
        for one in column.too_small
    ]
    if column.unknown:
        rows.append(["(unknown)", "", column.unknown, "left out", *blank])
    other = OTHERS[next(iter(column.groups[0].others))]
    head = [column.name, "speakers", "utterances", f"{found.label} [95 %]", "difference [95 %]",
            "p", other]  # fmt: skip
    return Table(head, rows)


def verdict(column: Column, found: Fairness) -> str:
    """A sentence on the groups of a column."""
    gap, parts = column.gap, _significant_parts(column, found)
    differs = "differs significantly" if gap.significant else "does not differ significantly"
    words = [f"The {found.label} {differs}: {_groups(gap, column)}."]
    if column.groups[0].speakers is None:
        words.append("The speakers are unknown and count as one, so nothing can be tested.")
    elif column.smallest_p > ALPHA:
        words.append(
            "So few speakers cannot show a difference: the smallest p that they allow is "
            f"{p(column.smallest_p)}."
        )
    if parts:
        each = [f"{one.part} {_groups(one, column)}" for one in parts]
        words.append(f"{PARTS[found.part].capitalize()} these differs: {'; '.join(each)}.")
    if column.exchanged == ACROSS:
        words.append("Each corpus has one group, so this may be a difference of the corpora.")
    if column.classes and len(column.classes) < len(column.groups[0].support):
        shared = ", ".join(column.classes)
        words.append(f"Groups are scored on the classes that all have: {shared}.")
    return " ".join(words)


def differing(found: Fairness) -> list[Row]:
    """A sentence on the groups of each column that differ significantly."""
    return [
        ("fairness", f"By {column.name}: {verdict(column, found)}")
        for column in found.columns
        if column.gap.significant or _significant_parts(column, found)
    ]


def extremes(gap: Gap, column: Column) -> tuple[str, str]:
    """The two groups of a gap with their values."""
    high, low = (
        f"{name} {score(column.group(name).of(gap.of, gap.part))}"
        for name in (gap.highest, gap.lowest)
    )
    return high, low


def p(value: float | None) -> str:
    """Format a p-value."""
    return "–" if value is None else f"{value:.2g}"


def _significant_parts(column: Column, found: Fairness) -> list[Gap]:
    """The parts of the score that differ."""
    if len(column.groups[0].parts) < 2:  # a single number's CCC is the score itself
        return []
    return [gap for gap in column.gaps if gap.of == found.part and gap.significant]


def _groups(gap: Gap, column: Column) -> str:
    """The two groups of a gap with their values, and p."""
    high, low = extremes(gap, column)
    return f"{high}, {low}, p {p(gap.corrected)}"


def _tested(test: Test) -> tuple[str, str]:
    bounds = f" {interval(test.interval)}" if test.interval else ""
    difference = "–" if test.difference is None else signed(test.difference)
    return f"{difference}{bounds}", p(test.corrected)


def _speakers(count: int | None) -> str:
    return "unknown" if count is None else str(count)
