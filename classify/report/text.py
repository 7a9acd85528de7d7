"""The scores as a short table for the terminal."""

import statistics

from classify.run import Run

WIDTH = 11  # of the first column


def render(run: Run) -> str:
    """The table, without a line feed at its end."""
    scores, data = run.metrics, run.dataset
    width = max(WIDTH, *(len(name) for name in data.classes))
    corpora = ", ".join(f"{name} {count}" for name, count in data.corpora.items())
    uars = [fold["uar"] for fold in scores["folds"]]
    rows = [
        ("head", run.options.head),
        ("encoder", data.encoder),
        ("features", str(data.features)),
        ("utterances", f"{len(data.y)} ({corpora}) in {len(data.classes)} classes"),
        (
            "folds",
            f"{run.folds.kind} ({len(run.folds)})" if run.folds.by_speaker else run.folds.kind,
        ),
        ("", ""),
        ("accuracy", f"{scores['accuracy']:.3f}"),
        (
            "UAR",
            f"{scores['uar']:.3f}   chance {scores['chance']:.3f}, "
            f"folds {statistics.mean(uars):.3f} ± {statistics.stdev(uars):.3f}",
        ),
        ("F1 macro", f"{scores['f1_macro']:.3f}"),
        ("F1 weighted", f"{scores['f1_weighted']:.3f}"),
    ]
    lines = [f"{name:{width}}  {value}".rstrip() for name, value in rows]
    lines += ["", f"{'class':{width}}  precision  recall     F1  utterances"]
    lines += [
        f"{name:{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}  "
        f"{row['support']:10}"
        for name, row in scores["per_class"].items()
    ]
    return "\n".join(lines)
