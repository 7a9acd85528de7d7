"""Figures with a row for each class, head, group, condition, speaker or target."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.formats import bounded, scored
from classify.report.elements import (
    CHANCE,
    CLEAN_LINE,
    LINE,
    along_layers,
    beside,
    entry,
    height_of,
    in_row,
    legend,
    name_rows,
    series,
    wrapped,
)
from classify.report.style import BLACK, BLUE, DASHED, FAINT, PAGE, PALETTE, SOFT, panels
from classify.stats.scores import Scores
from classify.stats.tests import Best

if TYPE_CHECKING:
    from classify.compare.result import HeadScores, Nemenyi
    from classify.fairness.result import Fairness
    from classify.probing.result import NestedScores, TargetResult
    from classify.robustness.design import Row

MANY_ROWS = 40  # speakers; the names of more are not legible


def f1_figure(scores: Scores) -> Figure:
    """F1 of each class as bars, the best on top, with their macro average."""
    rows = sorted(scores.per_class.items(), key=lambda item: -item[1].f1)
    macro = scores.values["f1_macro"]
    names = wrapped([f"{name} ({row.support})" for name, row in rows])
    figure, (axes,) = panels(1, 1, PAGE, 0.5 + 1.35 * height_of(names) * len(rows))
    axes.barh(range(len(rows)), [row.f1 for _, row in rows], height=0.65, color=BLUE)
    for place, (_, row) in enumerate(rows):
        beside(axes, place, f"{row.f1:.3f}")
    axes.axvline(macro, label=f"macro average: {macro:.3f}", color=SOFT, ls=DASHED, lw=1)
    name_rows(axes, names)
    axes.set(xlim=(0, 1), xlabel="F1")
    return legend(figure)


def scores_figure(rows: "Sequence[HeadScores]", best: Best, chance: float) -> Figure:
    """A forest plot: UARs with their intervals, the best head on top."""
    order = sorted(range(len(rows)), key=lambda index: -rows[index].scores.uar)
    names = ["\n".join(wrapped([rows[n].head, rows[n].features], 32)) for n in order]
    figure, (axes,) = panels(1, 1, PAGE, 0.5 + 1.5 * height_of(names) * len(rows))
    marks: dict[str, Any] = {"color": BLUE, "marker": "o"}
    for place, index in enumerate(order):
        scores, face = rows[index].scores, BLUE if index in best.equals else "white"
        in_row(axes, place, scores.uar, scores.interval, mfc=face, ms=5, **marks)
        if index == best.index:
            in_row(axes, place, scores.uar, None, mfc="none", ms=9, **marks)
        beside(axes, place, scored(scores))
    axes.axvline(chance, label="chance", zorder=0, **CHANCE)
    name_rows(axes, names)
    axes.set_xlabel("UAR")
    axes.margins(x=0.04)
    return legend(figure, [
        entry("best", mfc="none", ms=9, ls="", **marks),
        entry("not distinguishable from the best", ms=5, ls="", **marks),
        entry("worse than the best", mfc="white", ms=5, ls="", **marks),
    ])  # fmt: skip


def groups_figure(found: "Fairness", chance: float) -> Figure:
    """The score of each group as a dot with its interval, columns below each other."""
    each = [(column, group) for column in found.columns for group in column.groups]
    names = wrapped([f"{column.name}: {group.name} ({group.speakers or 'unknown'})"
                     for column, group in each], 30)  # fmt: skip
    steps = [1.0 if a is b else 1.6 for (a, _), (b, _) in itertools.pairwise(each)]
    places = np.cumsum([0.0, *steps]).tolist()
    figure, (axes,) = panels(1, 1, PAGE, 0.5 + 1.35 * height_of(names) * (places[-1] + 1))
    for place, (_, group) in zip(places, each, strict=True):
        in_row(axes, place, group.value, group.interval, color=BLUE, marker="o", ms=5)
        beside(axes, place, bounded(group.value, group.interval))
    whole = f"all utterances: {found.value:.3f}"
    axes.axvline(found.value, label=whole, color=SOFT, ls=DASHED, lw=1, zorder=0)
    axes.axvline(chance, label=f"chance: {chance:.3f}", zorder=0, **CHANCE)
    name_rows(axes, names, places)
    axes.set_xlabel(found.label)
    axes.margins(x=0.04)
    return legend(figure)


def conditions_figure(runs: "Mapping[str, Sequence[Row]]", chance: float) -> Figure:
    """The UAR of each run in clean speech, the first row, and in each condition, with intervals."""
    first = next(iter(runs.values()))
    names = wrapped([row.group.name for row in first])
    height = max(1.25 * height_of(names), 0.09 * (len(runs) + 1))
    figure, (axes,) = panels(1, 1, PAGE, 0.6 + height * max(3, len(names)))
    for number, (name, rows) in enumerate(runs.items()):
        offset = (number - (len(runs) - 1) / 2) * 0.7 / len(runs)
        for place, scores in enumerate(row.scores for row in rows):
            look = series(number) | {"label": name}
            in_row(axes, place + offset, scores.uar, scores.interval, alpha=0.45, **look)
    axes.axvline(first[0].scores.uar, **CLEAN_LINE | {"color": BLUE})
    axes.axvline(chance, label="chance", **CHANCE)
    name_rows(axes, names)
    axes.set(xlabel="UAR", xlim=(0, top(runs)))
    return legend(figure, [entry("clean speech", **CLEAN_LINE)])


def top(runs: "Mapping[str, Sequence[Row]]") -> float:
    """Upper limit of an axis of UAR."""
    scores = [row.scores for rows in runs.values() for row in rows]
    return min(1.01, 1.05 * max((one.interval or [0, one.uar])[1] for one in scores))


def speakers_figure(nested: "NestedScores", chance: float) -> Figure:
    """UAR of each speaker, from highest to lowest."""
    speakers = sorted(nested.per_speaker.items(), key=lambda item: -item[1].uar)
    overall, values = nested.scores.uar, [scores.uar for _, scores in speakers]
    names = wrapped(short([name for name, _ in speakers]))
    legible = len(names) <= MANY_ROWS
    shown = min(MANY_ROWS, max(4, len(names)))
    high = height_of(names) if legible else LINE
    figure, (axes,) = panels(1, 1, PAGE, 0.6 + 1.15 * high * shown)
    axes.hlines(range(len(names)), 0, values, color=BLUE, lw=0.8, alpha=0.4)
    axes.plot(values, range(len(names)), "o", color=BLUE, ms=5, clip_on=False)
    axes.axvline(overall, label=f"all utterances: {overall:.3f}", color=BLUE, lw=0.8, ls=DASHED)
    axes.axvline(chance, label=f"chance: {chance:.3f}", **CHANCE)
    name_rows(axes, names if legible else [""] * len(names))
    axes.set(xlabel="UAR", ylabel="speaker", xlim=(0, 1.01))
    return legend(figure)


def short(speakers: Sequence[str]) -> list[str]:
    """Names without their corpus, where it is the same for all.

    >>> short(["emodb/03", "emodb/08"]), short(["emodb/03", "tess/03"])
    (['03', '08'], ['emodb/03', 'tess/03'])
    """
    if len({name.partition("/")[0] for name in speakers}) > 1:
        return list(speakers)
    return [name.partition("/")[2] or name for name in speakers]


def selection_figure(targets: "Sequence[TargetResult]") -> Figure:
    """The nested choice beside the layer best on test, and which layers the folds chose."""
    chosen = [(target, target.nested) for target in targets if target.nested]
    names = wrapped([target.name for target, _ in chosen])
    figure, (left, right) = panels(1, 2, PAGE, 0.6 + 2.2 * height_of(names) * max(3, len(names)))
    for row, (target, nested) in enumerate(chosen):
        colour, votes = PALETTE[row % len(PALETTE)], nested.votes
        if nested.scores.interval:
            left.plot(nested.scores.interval, [row] * 2, color=colour, lw=4, alpha=0.3,
                      solid_capstyle="butt")  # fmt: skip
        left.plot(nested.best_on_test, row, "o", color=colour, ms=7, mfc="none", clip_on=False)
        left.plot(nested.scores.uar, row, "o", color=colour, ms=4, clip_on=False)
        left.plot(target.chance, row, "|", color=SOFT, ms=9)
        right.plot(target.numbers, [row] * len(target.layers), ".", color=FAINT, ms=1.5, zorder=0)
        sizes = [160 * number / sum(votes.values()) for number in votes.values()]
        right.scatter(list(votes), [row] * len(votes), sizes, color=colour, lw=0)
    name_rows(left, names)
    name_rows(right, [""] * len(names))
    left.set(xlabel="UAR", xlim=(0, 1.01))
    along_layers(right)
    right.set(xlabel="layer chosen (area: share of folds)")
    return legend(figure, [
        entry("nested choice, 95 % interval", marker="o", ms=4, lw=4, alpha=0.5),
        entry("best on test", marker="o", ms=7, mfc="none", ls=""),
        entry("chance", marker="|", ms=9, ls=""),
    ])  # fmt: skip


def ranks_figure(rows: "Sequence[HeadScores]", nemenyi: "Nemenyi", speakers: int) -> Figure:
    """Demšar's critical-difference diagram, the best head on the left."""
    by_rank = sorted((row.rank or 0, row.head) for row in rows)
    groups, heads, half = nemenyi.groups, len(rows), -(-len(rows) // 2)
    first = 0.9 + 0.4 * len(groups)  # depth below the axis, in lines of text
    depth = first + half
    figure, (axes,) = panels(1, 1, PAGE, 0.3 + 1.5 * LINE * (depth + 3.2))
    axes.set(xlim=(1 - 0.02 * heads, heads + 0.02 * heads), ylim=(depth, -3.2))
    axes.set_axis_off()
    _axis(axes, heads, nemenyi.critical_difference)
    words = f"mean rank over {speakers} speakers (1: best)"
    axes.text((1 + heads) / 2, depth, words, ha="center", color=SOFT)
    for number, group in enumerate(groups):
        ranks = [rank for rank, head in by_rank if head in group]
        ends, height = [min(ranks) - 0.02, max(ranks) + 0.02], 0.6 + 0.4 * number
        axes.plot(ends, [height] * 2, color=BLUE, lw=3, solid_capstyle="round", zorder=3)
    _labels(axes, by_rank[:half], first, 1, "right")
    _labels(axes, by_rank[: half - 1 : -1], first, heads, "left")
    return figure


def _axis(axes: Axes, heads: int, difference: float) -> None:
    """Ranks along the top, and the critical difference above them."""
    axes.plot([1, heads], [0, 0], color=BLACK, lw=0.8)
    for rank in range(1, heads + 1):
        axes.plot([rank, rank], [0, -0.25], color=BLACK, lw=0.8)
        if rank == 1 or rank % (heads // 20 + 1) == 0:
            axes.text(rank, -0.4, str(rank), ha="center", va="bottom")
    end = min(1 + difference, float(heads))
    axes.plot([1, end], [-1.9] * 2, color=BLACK, lw=1.2)
    for place in (1, end) if end == 1 + difference else (1,):
        axes.plot([place] * 2, [-2.05, -1.75], color=BLACK, lw=1.2)
    axes.text(1, -2.15, f"critical difference {difference:.2f}", ha="left", va="bottom")


def _labels(
    axes: Axes, ranks: Sequence[tuple[float, str]], first: float, edge: float, align: str
) -> None:
    """Lines from the axis to the names at one side, the outermost rank on top."""
    outward = -1 if align == "right" else 1
    for number, (rank, head) in enumerate(ranks):
        height = first + number
        axes.plot([rank, rank, edge], [0, height, height], color=FAINT, lw=0.8)
        axes.plot(rank, 0, "o", color=BLACK, ms=3, zorder=4)
        (name,) = wrapped([head], 32, lines=1)
        words = f"{name}  {rank:.2f}" if align == "right" else f"{rank:.2f}  {name}"
        axes.annotate(words, (edge, height), (4 * outward, 0), textcoords="offset points",
                      ha=align, va="center", annotation_clip=False)  # fmt: skip
