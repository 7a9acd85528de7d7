"""A regression as a page."""

from collections.abc import Sequence
from pathlib import Path

from classify.evaluation.run import Run
from classify.formats import counted, interval, score
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
    render,
)
from classify.report.style import Illustration
from classify.stats.agreement import AGREEMENTS


def html(run: Run, figures: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    found = run.metrics
    warnings = {UNTRAINED: found["control"], UNKNOWN_SPEAKERS: not run.folds.by_speaker,
                TRANSDUCTIVE: found["transductive"]}  # fmt: skip
    rows = dict(found["targets"]) | (
        {"mean": found["mean"]} if len(run.dataset.targets) > 1 else {}
    )
    by_fold = {
        f"{name}: {metric.label}": [score(fold["targets"][name][key]) for fold in found["folds"]]
        for name in run.dataset.targets
        for key, metric in AGREEMENTS.items()
    }
    page = Page(
        title=run.title,
        lead=f"{found['utterances']} utterances ({counted(found['corpora'])}), {found['split']}",
        warnings=[text for text, holds in warnings.items() if holds],
        facts=[
            (f"CCC, {name}", score(row["ccc"]), f"95 %: {interval(row['ci95'])}")
            for name, row in rows.items()
        ],
        sections=[
            _targets(run),
            *illustrated(figures),
            Section(
                "Folds",
                table=folds(found, by_fold),
                text="Within a fold CCC and Pearson suffer where a speaker uses little of the "
                "scale. A dash: not defined, as a correlation with a constant.",
            ),
            made(
                found,
                {"features": str(run.dataset.features)},
                "<code>predictions.csv</code> has every prediction.",
            ),
        ],
    )
    return render(page, folder)


def _targets(run: Run) -> Section:
    found = run.metrics
    rows = [
        (name, score(row["ccc"]), interval(row["ci95"]), score(row["pearson"]), score(row["rmse"]),
         score(row["truth"]["mean"]), score(row["truth"]["deviation"]),
         "{low:g} to {high:g}".format(**row["truth"]))
        for name, row in found["targets"].items()
    ]  # fmt: skip
    if len(run.dataset.targets) > 1:
        mean = found["mean"]
        rows.append(("mean", score(mean["ccc"]), interval(mean["ci95"]), score(mean["pearson"]),
                     score(mean["rmse"]), "", "", ""))  # fmt: skip
    head = ["target", "CCC", "95 % interval", "Pearson", "RMSE", "mean of the truth",
            "its deviation", "its range"]  # fmt: skip
    units = "speakers" if run.folds.by_speaker else "utterances"
    text = (
        "CCC: Lin's concordance correlation coefficient over the predictions of all folds, by "
        "population moments; 1 is perfect, and a constant prediction has 0. Its interval is a "
        f"jackknife over {units}; below four of them there is none. RMSE and deviation are on the "
        "target's own scale; a constant prediction of the mean has the deviation as RMSE."
    )
    return Section("Targets", table=Table(head, rows), text=text)
