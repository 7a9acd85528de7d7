"""The report of a fairness study."""

from dataclasses import replace
from functools import partial

import numpy as np

from classify.fairness.result import Fairness
from classify.fairness.study import Study
from classify.formats import bounded, score
from classify.report import folder, groups, parts
from classify.report.elements import heat_map
from classify.report.page import Fact, Page, Section, Table, illustrated
from classify.report.row_figures import groups_figure
from classify.report.run import about
from classify.report.write import Report


def report(found: Study) -> Report:
    """The report of a fairness study."""
    options, run = found.options, found.run
    return Report(
        name="fairness",
        result=folder.FAIRNESS,
        page=_page(found),
        metrics=found.metrics,
        predictions=run.predictions(),
        options=options.as_json() | {"cache": str(options.shared.cache.absolute())},
        seed=options.shared.seed,
        fingerprint=run.dataset.fingerprint,
        more={"recipe": run.dataset.recipe},
    )


def _page(found: Study) -> Page:
    run, fairness = found.run, found.fairness
    classes = run.dataset.classes
    figures = [illustrated(
        "groups", "Groups", f"{fairness.label} of each group with its 95 % interval over the "
        "speakers, where there are four or more. In brackets: speakers. Groups are scored on "
        "the classes that all of a column have, the line of all utterances on all classes.",
        partial(groups_figure, fairness, 1 / len(classes) if classes else 0.0),
    )]  # fmt: skip
    if classes:
        each = [(column.name, group) for column in fairness.columns for group in column.groups]
        names = [f"{column}: {group.name}" for column, group in each]
        recalls = [
            [group.parts[name].value if name in group.parts else np.nan for name in classes]
            for _, group in each
        ]
        counts = np.array([[group.support[name] or "" for name in classes] for _, group in each])
        figures.append(illustrated(
            "group_recall", "Recall by group", "Recall of each class in each group, above the "
            "number of utterances. Blank: a class that is not scored, because not all groups of "
            "the column have it, or a recall of 0.",
            partial(heat_map, np.array(recalls), names, classes, "recall", counts=counts),
        ))  # fmt: skip
    left_out = [("left out", f"{name}: {reason}") for name, reason in fairness.left_out.items()]
    return Page(
        title=f"Fairness: {run.title}",
        about=[*about(run), *left_out],
        facts=[Fact(fairness.label, score(fairness.value), note="of all utterances")],
        warnings=parts.warnings([run.folds], run.dataset.recipe, run.transductive),
        sections=[
            figures[0],
            Section("Tables", text=groups.ABOUT),
            *(replace(section, printed=True) for section in groups.sections(fairness)),
            *figures[1:],
            _gaps(fairness),
            *_shares(fairness),
        ],
    )


def _gaps(found: Fairness) -> Section:
    rows = []
    for column in found.columns:
        for gap in column.gaps:
            of = groups.OTHERS.get(gap.of, found.label if not gap.part else gap.of)
            rows.append((
                column.name, f"{of} of {gap.part}" if gap.part else of,
                *groups.extremes(gap, column), bounded(gap.difference, gap.interval),
                groups.p(gap.p), groups.p(gap.corrected),
            ))  # fmt: skip
    text = (
        "The highest of the groups less the lowest. A gap of the recall of a class violates equal "
        "opportunity (Hardt et al. 2016). ECE: expected calibration error; it is higher in smaller "
        "groups by chance, which p accounts for. Overconfidence: mean confidence less accuracy. p "
        "is corrected by Holm for all rows of the same kind; the interval is not, and does not "
        "account for the choice of the two groups."
    )
    head = ["column", "of", "highest", "lowest", "difference [95 %]", "p", "p, corrected"]
    return Section("Largest differences", Table(head, rows, words=True), text=text)


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
    return [Section("Share of each class", Table(head, rows), text=text)]
