"""A fairness study as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.fairness.result import Fairness
from classify.fairness.study import Study
from classify.formats import counted, interval, score
from classify.report import fairness_section, folds_section
from classify.report.page import (
    TRANSDUCTIVE,
    UNKNOWN_SPEAKERS,
    UNTRAINED,
    Page,
    Section,
    Table,
    illustrated,
    made,
    render,
)
from classify.report.style import Illustration


def html(found: Study, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    run, fairness = found.run, found.fairness
    data = run.dataset
    warnings = {UNTRAINED: data.recipe.get("control"), UNKNOWN_SPEAKERS: not run.folds.by_speaker,
                TRANSDUCTIVE: run.transductive}  # fmt: skip
    left_out = [f"By {name}: {reason}." for name, reason in fairness.left_out.items()]
    page = Page(
        title=f"Fairness: {run.title}",
        lead=f"{len(data.y)} utterances ({counted(data.corpora)}), {run.folds.kind}, "
        f"{fairness.label} {score(fairness.value)}",
        warnings=[
            *folds_section.warnings([run.folds]),
            *(text for text, holds in warnings.items() if holds),
            *left_out,
        ],
        sections=[
            *illustrated(figures[:1]),
            Section("Tables", text=fairness_section.ABOUT),
            *fairness_section.sections(fairness),
            *illustrated(figures[1:]),
            _gaps(fairness),
            *_shares(fairness),
            made(
                found.options.as_json(),
                data.fingerprint,
                {"features": str(data.features)},
                "<code>predictions.csv</code> has every prediction, <code>fairness.json</code> "
                "every number. Every figure is there as PNG and as SVG.",
            ),
        ],
    )
    return render(page, folder)


def _gaps(found: Fairness) -> Section:
    rows = []
    for column in found.columns:
        for gap in column.gaps:
            of = fairness_section.OTHERS.get(gap.of, found.label if not gap.part else gap.of)
            rows.append((
                column.name, f"{of} of {gap.part}" if gap.part else of,
                *fairness_section.extremes(gap, column),
                f"{score(gap.difference)} {interval(gap.interval)}".removesuffix(" –"),
                fairness_section.p(gap.p), fairness_section.p(gap.corrected),
            ))  # fmt: skip
    text = (
        "The highest of the groups less the lowest. A gap of the recall of a class violates equal "
        "opportunity (Hardt et al. 2016). ECE: expected calibration error; it is higher in smaller "
        "groups by chance, which p accounts for. Overconfidence: mean confidence less accuracy. p "
        "is corrected by Holm for all rows of the same kind; the interval is not, and does not "
        "account for the choice of the two groups."
    )
    head = ["column", "of", "highest", "lowest", "difference [95 %]", "p", "p, corrected"]
    return Section("Largest differences", table=Table(head, rows, words=True), text=text)


def _shares(found: Fairness) -> list[Section]:
    """Share of each class in each group."""
    if not any(group.support for column in found.columns for group in column.groups):
        return []
    rows = [
        (column.name, group.name, *(score(n / group.utterances) for n in group.support.values()))
        for column in found.columns
        for group in column.groups
    ]
    head = ["column", "group", *found.columns[0].groups[0].support]
    text = "Groups with other shares have another accuracy and calibration, though not another UAR."
    return [Section("Share of each class", table=Table(head, rows), text=text)]
