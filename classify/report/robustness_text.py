"""A robustness study for the terminal."""

from collections.abc import Sequence

from classify.formats import aligned, counted, score, scored, shortly, signed
from classify.robustness.design import ALL, CLEAN, CONDITION, SMALL, Row
from classify.robustness.result import CHOSEN, LayerFits, Robustness, title
from classify.stats.tests import ALPHA
from classify.studies.results import Difference
from data import console
from data.cache.recipe import in_words
from data.text import several


def render(found: Robustness) -> console.Lines:
    """The first run condition by condition, then the others."""
    first, selection = found.first, found.design.copies.selection
    lines = [
        f"encoder     {in_words(found.recipe)}",
        f"utterances  {len(found.design.folds.tested)} ({counted(selection.corpora)}) in each of "
        f"{several(len(first.scored.of(CONDITION)), 'condition')}",
        f"classes     {', '.join(selection.classes)} (chance {score(found.chance)})",
        f"folds       {found.design.folds.kind} ({len(found.design.folds)})",
        f"head        {first.head} on {first.features}, trained on clean speech",
        "",
        *_conditions(found),
        "",
        *_runs(found),
        *summary(found),
    ]
    for row in first.scored.of(CONDITION):
        if row.group.missing:
            lines.append(f"missing     {row.group.missing} utterances in {row.group.name}")
    lines += [f"refused     {name}: {reason}" for name, reason in found.refused.items()]
    return console.lines(lines)


def _conditions(found: Robustness) -> list[str]:
    corruptions = found.corruptions(found.first)
    lines = [["condition", "achieved", "UAR [95 %]", "change", "unchanged", "ECE",
              *(["CE"] if corruptions else [])]]  # fmt: skip
    for row in found.first.scored.rows:
        group = row.group
        name = f"{group.name} ({len(group.numbers)})" if len(group.numbers) > 1 else group.name
        of = (corruptions or {}).get(group.what, {}).get(group.name)
        lines.append([
            name, shortly(group.achieved), scored(row.scores), changed(row.change),
            f"{row.unchanged:.0%}" if row.change else "", f"{row.ece:.3f}",
            *([score(of.error) if of else ""] if corruptions else []),
        ])  # fmt: skip
    notes = [
        f"change: from clean speech, of the same utterances; * p < {ALPHA} over the speakers, "
        "corrected (Holm)"
    ]
    if found.baseline:
        notes.append(f"CE: error divided by that of {found.baseline.features} with "
                     f"{found.baseline.head}")  # fmt: skip
    return [*aligned(lines), *notes]


def changed(change: Difference | None) -> str:
    """A difference, marked where it is significant."""
    if change is None:
        return ""
    return signed(change.uar) + ("*" if change.corrected < ALPHA else " ")


def _runs(found: Robustness) -> list[str]:
    """A line for each run: clean speech, all conditions, and what training on them changes."""
    if len(found.runs) == 1:
        return []
    lines = [["run", CLEAN, "all conditions", "unchanged", "trained on clean speech alone"]]
    for number, run in enumerate(found.runs):
        whole = run.scored.row(ALL)
        lines.append([
            title(run), score(run.scored.row(CLEAN).scores.uar), scored(whole.scores),
            f"{whole.unchanged:.0%}", bought(found, number),
        ])  # fmt: skip
    return [*aligned(lines), ""]


def bought(found: Robustness, number: int) -> str:
    """What training on conditions changes, in clean speech and in all conditions."""
    compared = found.compared.get(number)
    if compared is None:
        return ""
    return f"{changed(compared[0]).strip()} clean, {changed(compared[-1]).strip()} all"


def summary(found: Robustness) -> list[str]:
    """The worst condition, the small changes and the most robust layer, in a line each."""
    first = found.first.scored
    worst = lowest(first.of(CONDITION))
    lines = [
        f"worst       {worst.group.name}: {score(worst.scores.uar)} "
        f"({changed(worst.change).strip()} from clean speech)"
    ]
    if small := first.of(SMALL):
        lines.append(f"small       {unchanged(small[0])}")
    if found.layers:
        lines.append(f"layer       {robust_layer(found, found.layers)}")
    return lines


def lowest(rows: Sequence[Row]) -> Row:
    """The row of the lowest UAR."""
    return min(rows, key=lambda row: row.scores.uar)


def unchanged(row: Row) -> str:
    """How small changes alter the predictions, as a sentence."""
    bounds = row.unchanged_interval
    interval = " [{:.1%}, {:.1%}]".format(*bounds) if bounds else ""
    names = several(len(row.group.numbers), "condition")
    share = f"{row.unchanged:.1%}{interval}"
    return f"small changes ({names}) leave {share} of the predictions as they were"


def robust_layer(found: Robustness, layers: LayerFits) -> str:
    """The most robust layer by the choice in each fold, and after the fact."""
    best = layers.best
    chosen = [layers.layers[place] for place in layers.chosen]
    votes = sorted({*chosen}, key=lambda layer: (-chosen.count(layer), layer))
    words = ", ".join(
        f"{layer} ({chosen.count(layer)} of {len(chosen)} folds)" for layer in votes[:3]
    )
    run = next(run for run in found.runs if run.features == CHOSEN)
    equals = [layers.layers[index] for index in best.equals if index != best.index]
    more = f", not distinguishable from {', '.join(map(str, equals))}" if equals else ""
    return (
        f"{words} chosen by the training parts: {scored(run.scored.row(ALL).scores)} over all "
        f"conditions; highest on the test parts: {layers.layers[best.index]}{more}"
    )
