"""Figures of a comparison of heads: their scores with intervals, and their ranks."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.compare.result import Comparison, HeadScores, Nemenyi
from classify.formats import scored
from classify.report.elements import CHANCE, LINE, entry, height_of, legend, wrapped
from classify.report.style import (
    BLACK,
    BLUE,
    FAINT,
    PAGE,
    SOFT,
    Illustration,
    panels,
    write,
)
from classify.stats.tests import Best
from data.cache.recipe import in_words


def draw(found: Comparison, folder: Path) -> list[Illustration]:
    """Write the figures into `folder`; ranks only where they were tested."""
    units = found.unit
    words = (
        f"UAR with its 95 % interval over {units}. Ring: the best. Filled: heads that are not "
        f"distinguishable from it (model confidence set over {units}, p > 0.05). Heads may differ "
        f"although their intervals overlap: the test pairs the predictions of the same {units}."
    )
    make = partial(scores_figure, found.rows, found.best, found.chance)
    planned = [Illustration("scores", "Scores", words, make)]
    if found.nemenyi:
        words = (
            "Mean rank of each head over the speakers, by their UAR (1: best). Bars join heads "
            "nearer than the critical difference, which are not distinguishable (Nemenyi, "
            "p ≥ 0.05; Demšar 2006)."
        )
        make = partial(ranks_figure, found.rows, found.nemenyi, found.units)
        planned.append(Illustration("ranks", "Ranks", words, make))
    return write(planned, folder, f"Heads on {in_words(found.recipe)}")


def scores_figure(rows: Sequence[HeadScores], best: Best, chance: float) -> Figure:
    """A forest plot: UARs with their intervals, the best head on top."""
    order = sorted(range(len(rows)), key=lambda index: -rows[index].scores.uar)
    names = ["\n".join(wrapped([rows[n].head, rows[n].features], 32)) for n in order]
    figure, (axes,) = panels(1, 1, PAGE, 0.5 + 1.5 * height_of(names) * len(rows))
    for place, index in enumerate(order):
        scores = rows[index].scores
        if scores.interval:
            axes.plot(scores.interval, [place] * 2, color=BLUE, solid_capstyle="butt")
        face = BLUE if index in best.equals else "white"
        axes.plot(scores.uar, place, "o", color=BLUE, mfc=face, ms=5, clip_on=False)
        if index == best.index:
            axes.plot(scores.uar, place, "o", color=BLUE, mfc="none", ms=9, clip_on=False)
        axes.annotate(scored(scores), (1, place), (6, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip
    axes.axvline(chance, zorder=0, **CHANCE)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="UAR", ylim=(len(rows) - 0.5, -0.5))
    axes.margins(x=0.04)
    marks: dict[str, Any] = {"color": BLUE, "marker": "o", "ls": ""}
    legend(figure, [
        entry("best", mfc="none", ms=9, **marks),
        entry("not distinguishable from the best", ms=5, **marks),
        entry("worse than the best", mfc="white", ms=5, **marks),
        entry("chance", **CHANCE),
    ])  # fmt: skip
    return figure


def ranks_figure(rows: Sequence[HeadScores], nemenyi: Nemenyi, speakers: int) -> Figure:
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
