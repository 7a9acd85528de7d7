"""A cross-validation as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.evaluation.run import Run
from classify.formats import Json, counted, score
from classify.report.page import (
    TRANSDUCTIVE,
    UNKNOWN_SPEAKERS,
    UNTRAINED,
    Page,
    Section,
    Table,
    folds,
    illustrated,
    made,
    per_class,
    plain,
    render,
)
from classify.report.style import Illustration
from classify.stats.intervals import interval_key
from classify.stats.metrics import METRICS


def html(run: Run, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    found = run.metrics
    warnings = {UNTRAINED: found["control"], UNKNOWN_SPEAKERS: not run.folds.by_speaker,
                TRANSDUCTIVE: found["transductive"]}  # fmt: skip
    sections = [Section("Classes", table=per_class(found["per_class"])), *illustrated(figures)]
    if "seeds" in found:
        sections.append(Section("Seeds", text=_seeds(found["seeds"])))
    if "tuned" in found:
        sections.append(_tuning(found))
    by_fold = {
        metric.label: [score(fold[name]) for fold in found["folds"]]
        for name, metric in METRICS.items()
    }
    page = Page(
        title=run.title,
        lead=f"{found['utterances']} utterances ({counted(found['corpora'])}), "
        f"{len(found['classes'])} classes, {found['split']}",
        warnings=[text for text, holds in warnings.items() if holds],
        facts=[
            (metric.label, score(found[name]), _note(found, name))
            for name, metric in METRICS.items()
        ],
        sections=[
            *sections,
            Section("Folds", table=folds(found, by_fold)),
            made(
                found,
                {"features": str(run.dataset.features)},
                "<code>predictions.csv</code> has every prediction.",
            ),
        ],
    )
    return render(page, folder)


def _note(found: Json, name: str) -> str:
    """Interval of a metric; chance level of the UAR."""
    bounds = found[interval_key(name)]
    words = ["95 %: {:.3f} to {:.3f}".format(*bounds)] if bounds else []
    words += [f"chance {found['chance']:.3f}"] if name == "uar" else []
    return "; ".join(words)


def _seeds(seeds: Json) -> str:
    scores = ", ".join(
        f"{metric.label} {seeds[name]['mean']:.3f} ± {seeds[name]['deviation']:.3f}"
        for name, metric in METRICS.items()
    )
    return (
        f"{seeds['count']} fits of each fold: {scores}. The tables count the predictions of all "
        "of them."
    )


def _tuning(found: Json) -> Section:
    tuned = found["tuned"]
    rows = [
        (
            plain(settings) if settings else "the head's own",
            f"{tuned['chosen'].count(number)} of {len(found['folds'])} folds",
        )
        for number, settings in enumerate(tuned["tried"])
    ]
    text = f"In each fold, settings are chosen by {tuned['inner_folds']} of its training part."
    return Section("Tuning", table=Table(["settings", "chosen by"], rows, words=True), text=text)
