"""The scores as a short table for the terminal."""

import statistics

from classify.evaluation.run import Run
from classify.formats import counted
from classify.stats.intervals import in_words, interval_key
from classify.stats.metrics import METRICS
from data import console

WIDTH = 11  # of the first column


def render(run: Run) -> console.Lines:
    """The table, without a line feed at its end."""
    scores, data = run.metrics, run.dataset
    width = max(WIDTH, *(len(name) for name in data.classes))
    uars = [fold["uar"] for fold in scores["folds"]]
    mean, deviation = statistics.mean(uars), statistics.stdev(uars)
    about = f"   chance {scores['chance']:.3f}, folds {mean:.3f} ± {deviation:.3f}"
    rows = [
        ("head", run.options.head),
        ("encoder", data.encoder),
        ("features", str(data.features)),
        ("utterances", f"{len(data.y)} ({counted(data.corpora)}) in {len(data.classes)} classes"),
        (
            "folds",
            f"{run.folds.kind} ({len(run.folds)})" if run.folds.by_speaker else run.folds.kind,
        ),
        *_more(run),
        ("", ""),
        *(
            (
                metric.label,
                f"{scores[name]:.3f} {in_words(scores[interval_key(name)])}"
                + (about if name == "uar" else ""),
            )
            for name, metric in METRICS.items()
        ),
    ]
    lines = [f"{name:{width}}  {value}".rstrip() for name, value in rows]
    lines += ["", f"{'class':{width}}  precision  recall     F1  utterances"]
    fits = len(run.result.by_seed)  # of each utterance
    lines += [
        f"{name:{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}  "
        f"{row['support'] // fits:10}"
        for name, row in scores["per_class"].items()
    ]
    return console.lines(lines)


def _more(run: Run) -> list[tuple[str, str]]:
    """What not every run has."""
    scores, rows = run.metrics, []
    if scores["transductive"]:
        rows.append(("normalised", "by each speaker's own statistics (transductive)"))
    if run.tuned:
        changed = sum(number > 0 for number in run.tuned.chosen.tolist())
        rows.append(
            (
                "tuned",
                f"{len(run.tuned.tried)} settings by {run.tuned.kind}; "
                f"{changed} of {len(run.folds)} folds leave the head's own",
            )
        )
    if "seeds" in scores:
        uar = scores["seeds"]["uar"]
        spread = f"UAR {uar['mean']:.3f} ± {uar['deviation']:.3f}"
        rows.append(("seeds", f"{scores['seeds']['count']}: {spread}"))
    if "layer_weights" in scores:
        weights = {layer: row["mean"] for layer, row in scores["layer_weights"].items()}
        most = sorted(weights, key=lambda layer: -weights[layer])[:3]
        shares = ", ".join(f"{layer} ({weights[layer]:.2f})" for layer in most)
        rows.append(("mix", f"most of layers {shares}"))
    return rows
