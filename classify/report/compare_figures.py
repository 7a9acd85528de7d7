"""Figures of a comparison of heads: their scores with intervals, and their ranks."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from data.cache.recipe import encoder_in_words

Json = dict[str, Any]


def draw(metrics: Json, folder: Path) -> list[Illustration]:
    """Write the figures into `folder`; ranks only where they were tested."""
    units = metrics["units"]["what"]
    words = (
        f"UAR with its 95 % interval over {units}. Ring: the best. Filled: heads that are not "
        f"distinguishable from it (model confidence set over {units}, p > 0.05). Heads may differ "
        f"although their intervals overlap: the test pairs the predictions of the same {units}."
    )
    planned = [Illustration("scores", "Scores", words, partial(scores_figure, metrics))]
    if metrics["nemenyi"]:
        words = (
            "Mean rank of each head over the speakers, by their UAR (1: best). Bars join heads "
            "nearer than the critical difference, which are not distinguishable (Nemenyi, "
            "p ≥ 0.05; Demšar 2006)."
        )
        planned.append(Illustration("ranks", "Ranks", words, partial(ranks_figure, metrics)))
    return write(planned, folder, f"Heads on {encoder_in_words(metrics)}")


def scores_figure(metrics: Json) -> Figure:
    """A forest plot: UARs with their intervals, the best head on top."""
    rows = sorted(metrics["heads"], key=lambda row: -row["uar"])
    best, places = metrics["best"], range(len(rows))
    names = [
        f"{head}\n{features}"
        for row in rows
        for head, features in [wrapped([row["head"], row["features"]], 32)]
    ]
    figure, (axes,) = panels(1, 1, PAGE, 0.5 + 1.5 * height_of(names) * len(rows))
    for place, row in zip(places, rows, strict=True):
        words = f"{row['uar']:.3f}"
        if row["ci95"]:
            axes.plot(row["ci95"], [place] * 2, color=BLUE, solid_capstyle="butt")
            words += " [{:.3f}, {:.3f}]".format(*row["ci95"])
        face = BLUE if row["head"] in best["equals"] else "white"
        axes.plot(row["uar"], place, "o", color=BLUE, mfc=face, ms=5, clip_on=False)
        if row["head"] == best["head"]:
            axes.plot(row["uar"], place, "o", color=BLUE, mfc="none", ms=9, clip_on=False)
        axes.annotate(words, (1, place), (6, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip
    axes.axvline(metrics["chance"], zorder=0, **CHANCE)
    axes.set_yticks(places, names)
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


def ranks_figure(metrics: Json) -> Figure:
    """Demšar's critical-difference diagram, the best head on the left."""
    rows = sorted(metrics["heads"], key=lambda row: row["rank"])
    difference, groups = (metrics["nemenyi"][key] for key in ("critical_difference", "groups"))
    heads, half = len(rows), -(-len(rows) // 2)
    first = 0.9 + 0.4 * len(groups)  # depth below the axis, in lines of text
    depth = first + half
    figure, (axes,) = panels(1, 1, PAGE, 0.3 + 1.5 * LINE * (depth + 3.2))
    axes.set(xlim=(1 - 0.02 * heads, heads + 0.02 * heads), ylim=(depth, -3.2))
    axes.set_axis_off()
    _axis(axes, heads, difference)
    words = f"mean rank over {metrics['units']['count']} speakers (1: best)"
    axes.text((1 + heads) / 2, depth, words, ha="center", color=SOFT)
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
        if rank == 1 or rank % (heads // 20 + 1) == 0:
            axes.text(rank, -0.4, str(rank), ha="center", va="bottom")
    end = min(1 + difference, float(heads))
    axes.plot([1, end], [-1.9] * 2, color=BLACK, lw=1.2)
    for place in (1, end) if end == 1 + difference else (1,):
        axes.plot([place] * 2, [-2.05, -1.75], color=BLACK, lw=1.2)
    axes.text(1, -2.15, f"critical difference {difference:.2f}", ha="left", va="bottom")


def _labels(axes: Axes, rows: Sequence[Json], first: float, edge: float, align: str) -> None:
    """Lines from the axis to the names at one side, the outermost rank on top."""
    outward = -1 if align == "right" else 1
    for number, row in enumerate(rows):
        rank, height = row["rank"], first + number
        axes.plot([rank, rank, edge], [0, height, height], color=FAINT, lw=0.8)
        axes.plot(rank, 0, "o", color=BLACK, ms=3, zorder=4)
        (name,) = wrapped([row["head"]], 32, lines=1)
        words = f"{name}  {rank:.2f}" if align == "right" else f"{rank:.2f}  {name}"
        axes.annotate(words, (edge, height), (4 * outward, 0), textcoords="offset points",
                      ha=align, va="center", annotation_clip=False)  # fmt: skip
