"""The scores of a regression as a short table for the terminal."""

import statistics
from typing import Any

from classify.evaluation.run import Run
from classify.formats import counted, score
from data import console

WIDTH = 11  # of the first column


def render(run: Run) -> console.Lines:
    """The table, without a line feed at its end."""
    scores, data = run.metrics, run.dataset
    rows = [
        ("head", run.options.head),
        ("encoder", data.encoder),
        ("features", str(data.features)),
        ("utterances", f"{scores['utterances']} ({counted(data.corpora)})"),
        (
            "folds",
            f"{run.folds.kind} ({len(run.folds)})" if run.folds.by_speaker else run.folds.kind,
        ),
    ]
    width = max(WIDTH, *(len(name) for name in run.dataset.targets))
    lines = [f"{name:{width}}  {value}" for name, value in rows]
    head = "   CCC  95 % interval   folds          Pearson   RMSE  deviation"
    lines += ["", f"{'target':{width}}  {head}"]
    for name, row in scores["targets"].items():
        by_fold = [fold["targets"][name]["ccc"] for fold in scores["folds"]]
        deviation = f"  {row['truth']['deviation']:9.3f}"
        lines.append(f"{name:{width}}  {_cells(row, by_fold)}{deviation}")
    if len(run.dataset.targets) > 1:
        by_fold = [fold["mean"]["ccc"] for fold in scores["folds"]]
        lines.append(f"{'mean':{width}}  {_cells(scores['mean'], by_fold)}")
    return console.lines(lines)


def _cells(row: dict[str, Any], by_fold: list[float | None]) -> str:
    interval = "–" if row["ci95"] is None else "{:.3f} to {:.3f}".format(*row["ci95"])
    known = [value for value in by_fold if value is not None]
    folds = "–"
    if len(known) > 1:
        folds = f"{statistics.mean(known):.3f} ± {statistics.stdev(known):.3f}"
    return (
        f"{score(row['ccc']):>6}  {interval:14}  {folds:14} {score(row['pearson']):>7}  "
        f"{score(row['rmse']):>5}"
    )
