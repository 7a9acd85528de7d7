"""A comparison as a short table for the terminal."""

from classify.compare.result import Comparison
from classify.formats import counted, mark, other_labels, others
from classify.stats.intervals import FEWEST
from classify.stats.ranks import Friedman
from classify.stats.tests import ALPHA
from data import console
from data.cache.recipe import in_words


def render(found: Comparison) -> console.Lines:
    """The table, without a line feed at its end."""
    data, folds = found.selection, found.folds
    findings = folds.audit.findings if folds.audit else {}
    count = f" ({len(folds)})" if folds.by_speaker else ""
    return console.lines(
        [
            f"encoder     {in_words(found.recipe)}",
            f"utterances  {len(data.y)} ({counted(data.corpora)}) in {len(data.classes)} classes",
            f"folds       {folds.kind}{count}, the same for all",
            *(f"{name:10}  {text}" for name, text in findings.items()),
            "",
            *_heads(found),
            "",
            *_findings(found),
        ]
    )


def _heads(found: Comparison) -> list[str]:
    name = max(len("head"), *(len(row.head) for row in found.rows))
    seen = max(len("features"), *(len(row.features) for row in found.rows))
    labels = other_labels()
    lines = [
        f"{'head':{name}}  {'features':{seen}}  UAR [95 %]            "
        + "".join(f"{label}  " for label in labels)
        + "seconds"
    ]
    for index, row in enumerate(found.rows):
        bounds = row.scores.interval
        interval = "[{:.3f},{:.3f}]".format(*bounds) if bounds else ""
        cells = zip(labels, others(row.scores), strict=True)
        lines.append(
            f"{row.head:{name}}  {row.features:{seen}}  "
            f"{row.scores.uar:.3f} {interval:13} {mark(found.best, index)}  "
            + "".join(f"{value:>{len(label)}}  " for label, value in cells)
            + f"{row.seconds:7.1f}"
        )
    intervals = f"intervals over {found.unit}"
    if found.units < FEWEST:
        intervals = f"no intervals: {found.units} {found.unit}, at least {FEWEST} are needed"
    legend = f"{intervals}; * best, = not distinguishable from it"
    return [*lines, f"chance UAR {found.chance:.3f}; {legend}"]


def _findings(found: Comparison) -> list[str]:
    best, heads = found.best, found.heads
    others = [heads[index] for index in best.equals if index != best.index]
    lines = []
    if len(heads) > 1:
        lines.append(
            f"best        {heads[best.index]}; not distinguishable from it: "
            f"{', '.join(others) or 'none'} (model confidence set over {found.unit}, p > 0.05)"
        )
    if len(heads) > 1 and best.smallest_p > ALPHA:
        lines.append(
            f"            {found.units} {found.unit} are too few to distinguish heads: "
            f"p ≥ {best.smallest_p:.2g}"
        )
    if found.friedman:
        lines += _ranks(found, found.friedman)
    lines += [f"left out    {reason}" for reason in found.left_out]
    return [*lines, *(f"FAILED      {head}: {why}" for head, why in found.failed.items())]


def _ranks(found: Comparison, test: Friedman) -> list[str]:
    ranked = sorted((row.rank or 0, row.head) for row in found.rows)
    ratio = "∞" if test.F is None else f"{test.F:.2f}"
    nemenyi = found.nemenyi
    difference = (
        f"critical difference {nemenyi.critical_difference:.2f} (Nemenyi, p < {nemenyi.alpha}); "
        if nemenyi
        else ""
    )
    return [
        "mean ranks  " + ", ".join(f"{head} {rank:.2f}" for rank, head in ranked),
        f"            {difference}Friedman χ² {test.statistic:.2f}, p {test.p:.2g}; "
        f"F {ratio}, p {test.F_p:.2g}",
    ]
