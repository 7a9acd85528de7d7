"""A cross-validation as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.evaluation.classes import ClassOutcome
from classify.evaluation.numbers import NumberOutcome
from classify.evaluation.run import Run
from classify.evaluation.tuning import Tuned
from classify.fairness.result import Fairness
from classify.formats import counted, interval, score
from classify.report import fairness_section, folds_section
from classify.report.page import (
    TRANSDUCTIVE,
    UNKNOWN_SPEAKERS,
    UNTRAINED,
    Fact,
    Page,
    Section,
    Table,
    illustrated,
    made,
    per_class,
    plain,
    render,
)
from classify.report.style import Illustration
from classify.stats.agreement import AGREEMENTS
from classify.stats.metrics import METRICS

Columns = dict[str, list[str]]  # heading → a cell for each fold


def html(
    run: Run, figures: Sequence[Illustration], folder: Path, fairness: Fairness | None = None
) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    data, outcome = run.dataset, run.outcome
    warnings = {UNTRAINED: data.recipe.get("control"), UNKNOWN_SPEAKERS: not run.folds.by_speaker,
                TRANSDUCTIVE: run.transductive}  # fmt: skip
    classes = f", {len(data.classes)} classes" if data.classes else ""
    if isinstance(outcome, ClassOutcome):
        facts, first, folds = _of_classes(outcome, run.tuned)
    else:
        facts, first, folds = _of_numbers(outcome, run.folds.by_speaker)
    page = Page(
        title=run.title,
        lead=f"{len(data.y)} utterances ({counted(data.corpora)}){classes}, {run.folds.kind}",
        warnings=[
            *folds_section.warnings([run.folds]),
            *(text for text, holds in warnings.items() if holds),
        ],
        facts=facts,
        sections=[
            *folds_section.sections([run.folds]),
            first[0],
            *illustrated(figures),
            *first[1:],
            *fairness_section.of_run(fairness),
            _folds(run, folds),
            made(
                run.metrics["options"],
                data.fingerprint,
                {"features": str(data.features)},
                "<code>predictions.csv</code> has every prediction.",
            ),
        ],
    )
    return render(page, folder)


def _of_classes(
    outcome: ClassOutcome, tuned: Tuned | None
) -> tuple[list[Fact], list[Section], Columns]:
    """Facts, sections, and the columns of the table of folds."""
    scores = outcome.scores
    facts = [
        (metric.label, score(scores.values[name]), _note(outcome, name))
        for name, metric in METRICS.items()
    ]
    sections = [Section("Classes", table=per_class(scores.per_class))]
    if len(outcome.seeds) > 1:
        sections.append(Section("Seeds", text=_seeds(outcome)))
    if tuned:
        sections.append(_tuning(tuned))
    columns = {
        metric.label: [score(fold.values[name]) for fold in outcome.folds]
        for name, metric in METRICS.items()
    }
    return facts, sections, columns


def _of_numbers(
    outcome: NumberOutcome, by_speaker: bool
) -> tuple[list[Fact], list[Section], Columns]:
    """Facts, sections, and the columns of the table of folds."""
    facts = [
        (f"CCC, {name}", score(row.values["ccc"]), f"95 %: {interval(row.interval)}")
        for name, row in outcome.rows.items()
    ]
    columns = {
        f"{name}: {label}": [score(fold.targets[name][key]) for fold in outcome.folds]
        for name in outcome.targets
        for key, (label, _) in AGREEMENTS.items()
    }
    return facts, [_targets(outcome, by_speaker)], columns


def _note(outcome: ClassOutcome, name: str) -> str:
    """Interval of a metric; chance level of the UAR."""
    bounds = outcome.scores.intervals[name]
    words = ["95 %: {:.3f} to {:.3f}".format(*bounds)] if bounds else []
    words += [f"chance {outcome.chance:.3f}"] if name == "uar" else []
    return "; ".join(words)


def _seeds(outcome: ClassOutcome) -> str:
    spreads = [(metric.label, outcome.over_seeds(name)) for name, metric in METRICS.items()]
    scores = ", ".join(f"{label} {of.mean:.3f} ± {of.deviation:.3f}" for label, of in spreads)
    return (
        f"{len(outcome.seeds)} fits of each fold: {scores}. The tables count the predictions of "
        "all of them."
    )


def _tuning(tuned: Tuned) -> Section:
    chosen = tuned.chosen.tolist()
    rows = [
        (
            plain(settings) if settings else "the head's own",
            f"{chosen.count(number)} of {len(chosen)} folds",
        )
        for number, settings in enumerate(tuned.tried)
    ]
    text = f"In each fold, settings are chosen by {tuned.kind} of its training part."
    return Section("Tuning", table=Table(["settings", "chosen by"], rows, words=True), text=text)


def _targets(outcome: NumberOutcome, by_speaker: bool) -> Section:
    rows = []
    for name, row in outcome.rows.items():
        values, truth = row.values, row.truth
        rows.append((
            name, score(values["ccc"]), interval(row.interval), score(values["pearson"]),
            score(values["rmse"]), score(truth.mean) if truth else "",
            score(truth.deviation) if truth else "", f"{truth.low:g} to {truth.high:g}"
            if truth else "",
        ))  # fmt: skip
    head = ["target", "CCC", "95 % interval", "Pearson", "RMSE", "mean of the truth",
            "its deviation", "its range"]  # fmt: skip
    units = "speakers" if by_speaker else "utterances"
    text = (
        "CCC: Lin's concordance correlation coefficient over the predictions of all folds, by "
        "population moments; 1 is perfect, and a constant prediction has 0. Its interval is a "
        f"jackknife over {units}; below four of them there is none. RMSE and deviation are on the "
        "target's own scale; a constant prediction of the mean has the deviation as RMSE."
    )
    return Section("Targets", table=Table(head, rows), text=text)


def _folds(run: Run, columns: Columns) -> Section:
    """A table with a row for each fold: the held-out speakers and the scores."""
    cells = list(columns.values())
    rows = [
        (", ".join(run.speakers(number)) or number, len(test), *(of[number] for of in cells))
        for number, (_, test) in enumerate(run.folds.parts)
    ]
    text = "" if run.dataset.classes else (
        "Within a fold CCC and Pearson suffer where a speaker uses little of the scale. A dash: "
        "not defined, as a correlation with a constant."
    )  # fmt: skip
    return Section("Folds", table=Table(["held out", "utterances", *columns], rows), text=text)
