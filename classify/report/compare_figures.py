"""Figures of a comparison of heads: their scores with intervals, and their ranks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.report.style import (
    BLACK,
    BLUE,
    FAINT,
    PAGE,
    SOFT,
    Illustration,
    clear,
    panels,
    save,
    style,
)

Json = dict[str, Any]

NAMES = ("scores", "ranks")


def draw(metrics: Json, folder: Path) -> list[Illustration]:
    """Write the figures into `folder`; ranks only where they were tested."""
    clear(folder, NAMES)
    units = metrics["units"]["what"]
    figures = [
        (
            Illustration(
                "scores",
                "Scores",
                f"UAR with its 95 % interval over {units}. Ring: the best. Filled: heads that are "
                f"not distinguishable from it (model confidence set over {units}, p > 0.05). "
                "Intervals that overlap may still belong to heads that differ: the test pairs the "
                f"answers of the same {units}.",
            ),
            scores_figure,
        )
    ]
    if metrics["nemenyi"]:
        figures.append(
            (
                Illustration(
                    "ranks",
                    "Ranks",
                    "Mean rank of each head over the speakers, by their UAR (1: best). Bars join "
                    "heads nearer than the critical difference, which cannot be told apart "
                    "(Nemenyi, p ≥ 0.05; Demšar 2006).",
                ),
                ranks_figure,
            )
        )
    for illustration, make in figures:
        with style():
            save(make(metrics), folder, illustration.name)
    return [illustration for illustration, _ in figures]


def scores_figure(metrics: Json) -> Figure:
    """A forest plot: UARs with their intervals, the best head on top."""
    rows = sorted(metrics["heads"], key=lambda row: -row["uar"])
    figure, (axes,) = panels(1, 1, PAGE * 0.8, 0.75 + 0.36 * len(rows))
    best = metrics["best"]
    for height, row in enumerate(rows):
        words = f"{row['uar']:.3f}"
        if row["ci95"]:
            axes.plot(row["ci95"], [height] * 2, color=BLUE, lw=1.4, solid_capstyle="butt")
            words += " [{:.3f}, {:.3f}]".format(*row["ci95"])
        face = BLUE if row["head"] in best["equals"] else "white"
        axes.plot(row["uar"], height, "o", color=BLUE, mfc=face, ms=5, clip_on=False)
        if row["head"] == best["head"]:
            axes.plot(row["uar"], height, "o", color=BLUE, mfc="none", ms=9, clip_on=False)
        axes.text(1.02, height, words, va="center", fontsize=7,
                  transform=axes.get_yaxis_transform())  # fmt: skip
        _beside(axes, height, row["head"], row["features"])
    axes.axvline(metrics["chance"], color=BLACK, lw=0.7, ls=(0, (1, 2)), zorder=0)
    axes.annotate("chance", (metrics["chance"], 1), (0, 2), xycoords=axes.get_xaxis_transform(),
                  textcoords="offset points", ha="center", va="bottom", fontsize=7,
                  color=SOFT)  # fmt: skip
    axes.set(xlabel="UAR", ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.04)
    return figure


def ranks_figure(metrics: Json) -> Figure:
    """Demšar's critical-difference diagram, the best head on the left."""
    rows = sorted(metrics["heads"], key=lambda row: row["rank"])
    difference, groups = (metrics["nemenyi"][key] for key in ("critical_difference", "groups"))
    heads, half = len(rows), -(-len(rows) // 2)
    first = 0.9 + 0.4 * len(groups)  # depth below the axis, in lines of text
    depth = first + half
    figure, (axes,) = panels(1, 1, PAGE * 0.8, 0.5 + 0.19 * depth)
    axes.set(xlim=(1 - 0.02 * heads, heads + 0.02 * heads), ylim=(depth, -2.6))
    axes.set_axis_off()
    _axis(axes, heads, difference)
    words = f"mean rank over {metrics['units']['count']} speakers (1: best)"
    axes.text((1 + heads) / 2, depth, words, ha="center", fontsize=7, color=SOFT)
    for number, group in enumerate(groups):
        ranks = [row["rank"] for row in rows if row["head"] in group]
        ends, height = [min(ranks) - 0.02, max(ranks) + 0.02], 0.6 + 0.4 * number
        axes.plot(ends, [height] * 2, color=BLUE, lw=3, solid_capstyle="round", zorder=3)
    _labels(axes, rows[:half], first, 1, "right")
    _labels(axes, rows[: half - 1 : -1], first, heads, "left")
    return figure


def _axis(axes: Axes, heads: int, difference: float) -> None:
    """Ranks along the top, and the critical difference above them."""
    axes.plot([1, heads], [0, 0], color=BLACK, lw=0.8)
    for rank in range(1, heads + 1):
        axes.plot([rank, rank], [0, -0.25], color=BLACK, lw=0.8)
        axes.text(rank, -0.4, str(rank), ha="center", va="bottom", fontsize=7)
    end = min(1 + difference, heads + 0.0)
    axes.plot([1, end], [-1.7] * 2, color=BLACK, lw=1.2)
    for place in (1, end) if end == 1 + difference else (1,):
        axes.plot([place] * 2, [-1.85, -1.55], color=BLACK, lw=1.2)
    words = f"critical difference {difference:.2f}"
    axes.text((1 + end) / 2, -1.85, words, ha="center", va="bottom", fontsize=7)


def _labels(axes: Axes, rows: Sequence[Json], first: float, edge: float, align: str) -> None:
    """Lines from the axis to the names at one side, the outermost rank on top."""
    outward = -1 if align == "right" else 1
    for number, row in enumerate(rows):
        rank, height = row["rank"], first + number
        axes.plot([rank, rank, edge], [0, height, height], color=FAINT, lw=0.8)
        axes.plot(rank, 0, "o", color=BLACK, ms=3, zorder=4)
        words = f"{row['head']}  {rank:.2f}" if align == "right" else f"{rank:.2f}  {row['head']}"
        axes.annotate(words, (edge, height), (4 * outward, 0), textcoords="offset points",
                      ha=align, va="center", annotation_clip=False)  # fmt: skip


def _beside(axes: Axes, height: float, head: str, features: str) -> None:
    """The name of a head at the left of its line, and below it what the head saw."""
    across = axes.get_yaxis_transform()
    for words, offset, align, size, colour in (
        (head, 0.5, "bottom", 8, BLACK),
        (features, -1, "top", 5.5, SOFT),
    ):
        axes.annotate(words, (0, height), (-6, offset), xycoords=across, ha="right", va=align,
                      textcoords="offset points", fontsize=size, color=colour)  # fmt: skip
