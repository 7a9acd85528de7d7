"""The scores of a run as a short table for the terminal."""

import statistics
from collections.abc import Sequence

from classify.evaluation.classes import ClassOutcome
from classify.evaluation.numbers import NumberOutcome, TargetScores
from classify.evaluation.run import Run
from classify.fairness.result import Fairness
from classify.formats import counted, score
from classify.report.fairness_section import line
from classify.stats.intervals import in_words
from classify.stats.metrics import METRICS
from data import console

WIDTH = 11  # of the first column

Row = tuple[str, str]  # heading, value


def render(run: Run, fairness: Fairness | None = None) -> console.Lines:
    """The table, without a line feed at its end; what differs significantly between groups."""
    outcome, rows = run.outcome, about(run)
    differing = [("fairness", line(fairness))] if fairness and line(fairness) else []
    width = max(WIDTH, *map(len, run.dataset.classes or run.dataset.targets))
    if isinstance(outcome, ClassOutcome):
        rows += _of_classes(outcome)
        table = _classes(outcome, width)
    else:
        table = _targets(outcome, width)
    rows += differing
    lines = (f"{name:{width}}  {value}".rstrip() for name, value in rows)
    return console.lines([*lines, "", *table])


def about(run: Run) -> list[Row]:
    """What was evaluated, and how."""
    data, folds = run.dataset, run.folds
    classes = f" in {len(data.classes)} classes" if data.classes else ""
    rows = [
        ("head", run.options.head),
        ("encoder", data.encoder),
        ("features", str(data.features)),
        ("utterances", f"{len(data.y)} ({counted(data.corpora)}){classes}"),
        ("folds", f"{folds.kind} ({len(folds)})" if folds.by_speaker else folds.kind),
    ]
    if folds.audit:
        rows += folds.audit.findings.items()
    if run.transductive:
        rows.append(("normalised", "by each speaker's own statistics (transductive)"))
    if run.tuned:
        changed = sum(number > 0 for number in run.tuned.chosen.tolist())
        rows.append(
            (
                "tuned",
                f"{len(run.tuned.tried)} settings by {run.tuned.kind}; "
                f"{changed} of {len(folds)} folds leave the head's own",
            )
        )
    return rows


def _of_classes(outcome: ClassOutcome) -> list[Row]:
    """Seeds and mix, where there are some; the metrics of all folds."""
    rows: list[Row] = []
    if len(outcome.seeds) > 1:
        uar = outcome.over_seeds("uar")
        rows.append(("seeds", f"{len(outcome.seeds)}: UAR {uar.mean:.3f} ± {uar.deviation:.3f}"))
    if weights := outcome.layer_weights:
        most = sorted(weights, key=lambda layer: -weights[layer].mean)[:3]
        shares = ", ".join(f"{layer} ({weights[layer].mean:.2f})" for layer in most)
        rows.append(("mix", f"most of layers {shares}"))
    rows.append(("", ""))
    folds = f"   chance {outcome.chance:.3f}, folds {_spread([f.uar for f in outcome.folds])}"
    for name, metric in METRICS.items():
        value = f"{outcome.scores.values[name]:.3f} {in_words(outcome.scores.intervals[name])}"
        rows.append((metric.label, value + (folds if name == "uar" else "")))
    return rows


def _classes(outcome: ClassOutcome, width: int) -> list[str]:
    fits = len(outcome.seeds)  # of each utterance
    return [
        f"{'class':{width}}  precision  recall     F1  utterances",
        *(
            f"{name:{width}}  {row.precision:9.3f}  {row.recall:6.3f}  {row.f1:5.3f}  "
            f"{row.support // fits:10}"
            for name, row in outcome.scores.per_class.items()
        ),
    ]


def _targets(outcome: NumberOutcome, width: int) -> list[str]:
    lines = [
        f"{'target':{width}}     CCC  95 % interval   folds          Pearson   RMSE  deviation"
    ]
    for name, row in outcome.rows.items():
        of_folds = (fold.targets.get(name, fold.mean) for fold in outcome.folds)
        cells = _cells(row, [values["ccc"] for values in of_folds])
        deviation = f"  {row.truth.deviation:9.3f}" if row.truth else ""
        lines.append(f"{name:{width}}  {cells}{deviation}")
    return lines


def _cells(row: TargetScores, by_fold: Sequence[float | None]) -> str:
    interval = "{:.3f} to {:.3f}".format(*row.interval) if row.interval else "–"
    known = [value for value in by_fold if value is not None]
    folds = _spread(known) if len(known) > 1 else "–"
    return (
        f"{score(row.values['ccc']):>6}  {interval:14}  {folds:14} "
        f"{score(row.values['pearson']):>7}  {score(row.values['rmse']):>5}"
    )


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"
