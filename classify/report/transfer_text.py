"""The matrix of a transfer study for the terminal."""

from classify.formats import aligned, counted, score, signed
from classify.stats.intervals import FEWEST
from classify.transfer.cells import ACROSS, WITHIN
from classify.transfer.result import KINDS, Run, Tested, Transfer, table
from data import console
from data.cache.recipe import in_words

SHIFT = "plain"  # name of nothing


def render(found: Transfer) -> console.Lines:
    """The matrix of the first run, and the others compared with it."""
    first, options = found.first, found.options
    classes = ", ".join(found.selection.classes)
    lines = [
        f"encoder     {in_words(first.recipe)}",
        f"utterances  {len(found.selection.y)} ({counted(found.sizes)})",
        f"classes     {classes} (--labels {options.labels or 'shared'}); of each cell those that "
        "both sides have",
        f"head        {first.head} on {first.features}",
        "",
        *_matrix(first, found),
        "",
        *_means(found),
        *_curves(found),
    ]
    for (trained, tested), reason in found.matrix.empty.items():
        lines.append(f"empty       {trained} → {tested}: {reason}")
    return console.lines(lines)


def _matrix(run: Run, found: Transfer) -> list[str]:
    rows, cells = table(run, found.matrix)
    columns = ["trained on", *found.matrix.domains]
    lines = [columns, *([name, *map(_text, row)] for name, row in zip(rows, cells, strict=True))]
    return [
        "UAR [95 %] / classes; columns: tested on",
        *aligned(lines),
        f"diagonal: speaker-independent folds; intervals over speakers, from {FEWEST} on",
    ]


def _text(cell: Tested | None) -> str:
    if cell is None:
        return "–"
    bounds = cell.scores.interval
    words = " [{:.2f},{:.2f}]".format(*bounds) if bounds else ""
    return f"{cell.scores.uar:.3f}{words} /{len(cell.scores.classes)}"


def _means(found: Transfer) -> list[str]:
    """A line for each run: mean UARs, and the difference of that across from the first run."""
    lines = [["mean UAR", *KINDS, ""]]
    for run in found.runs:
        compared = found.compared(run)
        more = f"across {signed(compared.difference)}, p {compared.p:.2g}" if compared else ""
        lines.append([title(run, found), *(score(run.mean(kind)) for kind in KINDS), more])
    return aligned(lines)


def _curves(found: Transfer) -> list[str]:
    lines = []
    for name, curve in found.curves.items():
        across = curve.mean(found.matrix.cells, ACROSS)
        within = curve.mean(found.matrix.cells, WITHIN)
        if across is None:
            continue
        best = int(across.argmax())
        words = f"layers      highest across: layer {curve.layers[best]} ({across[best]:.3f})"
        if within is not None:
            own = int(within.argmax())
            words += f"; within: layer {curve.layers[own]} ({within[own]:.3f})"
        lines.append(words + (f" of {name}" if len(found.curves) > 1 else ""))
    return lines + ["            (chosen on the test parts: for orientation)"] * bool(lines)


def title(run: Run, found: Transfer) -> str:
    """What distinguishes a run from the others."""
    words = [run.head, run.shift or SHIFT]
    if len({one.fingerprint for one in found.runs}) > 1:
        words.insert(0, in_words(run.recipe))
    return ", ".join(words)
