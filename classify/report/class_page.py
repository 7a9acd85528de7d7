"""A cross-validation as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.report.formats import Json, counted, score
from classify.report.page import (
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
from classify.run import Run

TRANSDUCTIVE = (
    "Features are normalised by each speaker's own statistics, those of tested speakers included "
    "(transductive). The scores do not hold for a speaker of whom there is no other recording."
)


def html(run: Run, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    found = run.metrics
    warnings = {UNTRAINED: found["control"], UNKNOWN_SPEAKERS: not run.folds.by_speaker,
                TRANSDUCTIVE: found["transductive"]}  # fmt: skip
    bounds = "95 %: {:.3f} to {:.3f}; ".format(*found["ci95"]) if found["ci95"] else ""
    sections = [Section("Classes", table=per_class(found["per_class"])), *illustrated(figures)]
    if "seeds" in found:
        sections.append(Section("Seeds", text=_seeds(found["seeds"])))
    if "tuned" in found:
        sections.append(_tuning(found))
    columns = {"UAR": "uar", "accuracy": "accuracy", "F1, macro": "f1_macro"}
    by_fold = {name: [score(fold[key]) for fold in found["folds"]] for name, key in columns.items()}
    page = Page(
        title=run.title,
        lead=f"{found['utterances']} utterances ({counted(found['corpora'])}), "
        f"{len(found['classes'])} classes, {found['split']}",
        warnings=[text for text, holds in warnings.items() if holds],
        facts=[
            ("UAR", score(found["uar"]), f"{bounds}chance {found['chance']:.3f}"),
            ("Accuracy", score(found["accuracy"]), ""),
            ("F1, macro", score(found["f1_macro"]), ""),
            ("F1, weighted", score(found["f1_weighted"]), ""),
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


def _seeds(seeds: Json) -> str:
    spread = {
        name: f"{seeds[key]['mean']:.3f} ± {seeds[key]['deviation']:.3f}"
        for name, key in (("UAR", "uar"), ("accuracy", "accuracy"))
    }
    scores = ", ".join(f"{name} {words}" for name, words in spread.items())
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
