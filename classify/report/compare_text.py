"""A comparison as a short table for the terminal."""

from typing import Any

from classify.formats import other_labels, others
from classify.stats.intervals import FEWEST
from classify.stats.tests import ALPHA
from data import console
from data.cache.recipe import encoder_in_words

Json = dict[str, Any]


def render(metrics: Json, seconds: dict[str, float]) -> console.Lines:
    """The table, without a line feed at its end."""
    corpora = ", ".join(f"{name} {count}" for name, count in metrics["corpora"].items())
    folds, classes = metrics["folds"], len(metrics["classes"])
    count = f" ({folds['count']})" if folds["by_speaker"] else ""
    return console.lines(
        [
            f"encoder     {encoder_in_words(metrics)}",
            f"utterances  {metrics['utterances']} ({corpora}) in {classes} classes",
            f"folds       {folds['kind']}{count}, the same for all",
            "",
            *_heads(metrics, seconds),
            "",
            *_findings(metrics),
        ]
    )


def _heads(metrics: Json, seconds: dict[str, float]) -> list[str]:
    rows = metrics["heads"]
    name = max(len("head"), *(len(row["head"]) for row in rows))
    seen = max(len("features"), *(len(row["features"]) for row in rows))
    lines = [
        f"{'head':{name}}  {'features':{seen}}  UAR [95 %]            "
        + "".join(f"{label}  " for label in other_labels())
        + "seconds"
    ]
    for row in rows:
        interval = "[{:.3f},{:.3f}]".format(*row["ci95"]) if row["ci95"] else ""
        lines.append(
            f"{row['head']:{name}}  {row['features']:{seen}}  "
            f"{row['uar']:.3f} {interval:13} {_mark(row['head'], metrics['best'])}  "
            + "".join(
                f"{value:>{len(label)}}  "
                for label, value in zip(other_labels(), others(row), strict=True)
            )
            + f"{seconds[row['head']]:7.1f}"
        )
    units = metrics["units"]
    intervals = f"intervals over {units['what']}"
    if units["count"] < FEWEST:
        intervals = f"no intervals: {units['count']} {units['what']}, at least {FEWEST} are needed"
    legend = f"{intervals}; * best, = not distinguishable from it"
    return [*lines, f"chance UAR {metrics['chance']:.3f}; {legend}"]


def _mark(head: str, best: Json) -> str:
    if head == best["head"]:
        return "*"
    return "=" if head in best["equals"] else " "


def _findings(metrics: Json) -> list[str]:
    best, units = metrics["best"], metrics["units"]
    others = [head for head in best["equals"] if head != best["head"]]
    lines = []
    if best["compared"]:
        lines.append(
            f"best        {best['head']}; not distinguishable from it: "
            f"{', '.join(others) or 'none'} (model confidence set over {units['what']}, p > 0.05)"
        )
    if best["compared"] and best["smallest_p"] > ALPHA:
        lines.append(
            f"            {units['count']} {units['what']} are too few to tell heads apart: "
            f"p ≥ {best['smallest_p']:.2g}"
        )
    if metrics["friedman"]:
        lines += _ranks(metrics)
    lines += [f"left out    {reason}" for reason in metrics["left_out"]]
    return [*lines, *(f"FAILED      {head}: {why}" for head, why in metrics["failed"].items())]


def _ranks(metrics: Json) -> list[str]:
    test, nemenyi = metrics["friedman"], metrics["nemenyi"]
    ranked = sorted(metrics["heads"], key=lambda row: row["rank"])
    F = "∞" if test["F"] is None else f"{test['F']:.2f}"
    return [
        "mean ranks  " + ", ".join(f"{row['head']} {row['rank']:.2f}" for row in ranked),
        f"            critical difference {nemenyi['critical_difference']:.2f} (Nemenyi, "
        f"p < {nemenyi['alpha']}); Friedman χ² {test['statistic']:.2f}, p {test['p']:.2g}; "
        f"F {F}, p {test['F_p']:.2g}",
    ]
