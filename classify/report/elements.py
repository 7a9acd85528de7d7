"""Elements of figures: curves with bands, named rows, heat maps, legends, wrapped names."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from classify.report.style import (
    BLACK,
    DASHED,
    DOTTED,
    FAINT,
    MARKERS,
    PAGE,
    PALETTE,
    SHARES,
    SOFT,
    TYPE,
    panels,
)

Table = npt.NDArray[np.floating]

CHARACTER = 0.62 * TYPE / 72  # inches, mean width in DejaVu Sans with some room
LINE = 1.25 * TYPE / 72  # inches
CELL = 0.29  # inches; "1.00" fits into it
BAR = 1.0  # inches of a colour bar with its label
CLEAN_LINE: dict[str, Any] = {"color": SOFT, "lw": 0.8, "ls": DASHED}
CHANCE: dict[str, Any] = {"color": BLACK, "lw": 0.8, "ls": DOTTED}
LONG, LINES = 24, 3  # characters in a line of a name, lines of a name


def wrapped(names: Sequence[str], width: int = LONG, lines: int = LINES) -> list[str]:
    """Names in lines of at most `width` characters; longer names end with an ellipsis.

    >>> wrapped(["anger", "pleasantly surprised woman"], width=20)
    ['anger', 'pleasantly surprised\\nwoman']
    """
    return [
        textwrap.fill(name, width, max_lines=lines, placeholder="…", break_on_hyphens=False)
        for name in names
    ]


def height_of(names: Sequence[str]) -> float:
    """Height in inches of a row that has room for the longest of some wrapped names."""
    return LINE * max(name.count("\n") + 1 for name in names)


def width_of(names: Sequence[str]) -> float:
    """Width in inches of the longest line of some wrapped names."""
    return CHARACTER * max(len(line) for name in names for line in name.split("\n"))


def curve(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float] | Table,
    label: str = "",
    band: tuple[Any, Any] | None = None,
    **look: Any,
) -> None:
    """A line, and between the lower and upper values of `band` a shade of its colour."""
    if band is not None:
        axes.fill_between(x, *band, color=look["color"], alpha=0.16, lw=0)
    axes.plot(x, y, label=label, **look)


def series(number: int) -> dict[str, Any]:
    """Colour and marker of one of several curves; the shape helps where colours look alike."""
    return {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)],
            "mec": "white", "mew": 0.3, "ms": 4.5}  # fmt: skip


def along_layers(axes: Axes, ticks: int = 13) -> None:
    """Make the horizontal axis one of hidden layers."""
    axes.set_xlabel("hidden layer")
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))


def grid(
    count: int, across: int, above: float, high: float, width: float = PAGE
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, at most `across` in a row.

    Args:
        count: number of panels.
        across: the most panels in a row.
        above: inches that are not part of the rows.
        high: inches of a row.
        width: inches of the figure.
    """
    across = min(across, count)
    down = -(-count // across)
    figure, every = panels(down, across, width, above + high * down)
    for axes in every[count:]:
        axes.set_axis_off()
    return figure, every[:count]


def leftmost(axes: Axes, label: str) -> str:
    """The label if the panel is the first of its row."""
    place = axes.get_subplotspec()
    return label if place and place.is_first_col() else ""


def name_rows(axes: Axes, names: Sequence[str], places: Sequence[float] | None = None) -> None:
    """Write names beside the rows of a panel, the first on top; `places`: other than 0, 1, …."""
    places = range(len(names)) if places is None else places
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(places[-1] + 0.5, -0.5), ylabel="")


def in_row(
    axes: Axes,
    place: float,
    value: float | None,
    bounds: Sequence[float] | None,
    alpha: float = 1.0,
    **dot: Any,
) -> None:
    """A dot in a row, where there is a value, and a line of its colour and of opacity `alpha` for
    the interval, where there is one."""
    if bounds:
        axes.plot(bounds, [place] * 2, color=dot["color"], alpha=alpha, solid_capstyle="butt")
    if value is not None:
        axes.plot(value, place, ls="", clip_on=False, **dot)


def beside(axes: Axes, place: float, words: str) -> None:
    """Text at the right of a row, outside of the axes, where no line crosses it."""
    axes.annotate(words, (1, place), (6, 0), xycoords=axes.get_yaxis_transform(),
                  textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip


def entry(label: str, color: str = SOFT, **line: Any) -> Line2D:
    """A line or, with ``ls=""``, a marker of a legend."""
    return Line2D([], [], label=label, color=color, **line)


def legend(
    figure: Figure,
    entries: Sequence[Artist] = (),
    title: str | None = None,
    *,
    above: bool = False,
) -> Figure:
    """Add a legend of all that is drawn with a label, and of more entries, in as many columns as
    fit below or above all panels. The figure grows by it."""
    drawn = [each for axes in figure.axes for each in axes.get_legend_handles_labels()[0]]
    known = {str(each.get_label()): each for each in [*drawn, *entries]}
    labels = wrapped([*known], 60)
    rows = next(n for n in range(1, len(labels) + 1) if _fits(labels, n, figure.get_figwidth()))
    height = 1.15 * height_of(labels) * rows + LINE * (1 + bool(title))
    figure.set_figheight(figure.get_figheight() + height)
    columns = -(-len(labels) // rows)
    figure.legend(
        [*known.values()], labels, ncols=columns, title=title,
        loc="outside upper center" if above else "outside lower center",
    )  # fmt: skip
    return figure


def _fits(labels: Sequence[str], rows: int, width: float) -> bool:
    """Whether a legend of so many rows, filled column by column, is narrow enough."""
    columns = [labels[n : n + rows] for n in range(0, len(labels), rows)]
    return rows == len(labels) or sum(width_of(each) + 0.6 for each in columns) < width


def heat_map(
    values: Table,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    *,
    xlabel: str = "",
    ylabel: str = "",
    counts: npt.NDArray[Any] | None = None,
    colours: str = SHARES,
    low: float = 0.0,
    high: float = 1.0,
    upward: bool = False,
) -> Figure:
    """A figure of values up to 1, with its numbers in the cells where they are legible.

    Args:
        values: (row, column); NaN is left blank.
        rows, columns: names.
        label: what the values are, beside the colour bar.
        xlabel, ylabel: what columns and rows are.
        counts: (row, column) in a second line of each cell.
        colours: name of a colour map.
        low, high: where the colours begin and end.
        upward: whether the first row is at the bottom.
    """
    rows, columns = wrapped(rows), wrapped(columns, LONG - 4, lines=1)
    beside = width_of(rows) + 0.5 + BAR
    lines = height_of(rows) if counts is None else max(height_of(rows), 2.2 * LINE)
    across = max(0.13, min(0.75, (PAGE - beside) / len(columns)))
    numbers = across >= CELL
    crowded = width_of(columns) > across
    below = width_of(columns) if crowded else LINE
    figure, (axes,) = panels(
        1, 1, min(PAGE, max(beside + across * len(columns), 3.2)),
        max((lines if numbers else height_of(rows)) * 1.2 * len(rows), 1.2) + below + 0.45,
    )  # fmt: skip
    words = np.vectorize(lambda value: f"{value:.2f}".replace("0.", ".").replace("-", "−"))(values)
    if counts is not None:
        words = np.array([f"{w}\n{n}" for w, n in zip(words.flat, counts.flat, strict=True)])
        words = words.reshape(values.shape)
    blank = ~np.isfinite(values) | ((values == 0) if colours == SHARES else False)
    seaborn.heatmap(
        values, vmin=low, vmax=high, cmap=colours, ax=axes, xticklabels=columns, yticklabels=rows,
        annot=np.where(blank, "", words) if numbers else False, fmt="", cbar_kws={"label": label},
        annot_kws={"size": TYPE}, linewidths=0.4, linecolor=FAINT if colours == SHARES else "white",
    )  # fmt: skip
    axes.tick_params(axis="both", length=0)
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(axis="x", rotation=90 if crowded else 0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if upward:
        axes.invert_yaxis()
    return figure


def confusion_figure(table: npt.NDArray[Any], classes: Sequence[str]) -> Figure:
    """Shares of each true class, of which the diagonal is the recall, above the counts."""
    support = table.sum(1, keepdims=True)
    names = [f"{name} ({n})" for name, n in zip(classes, support[:, 0], strict=True)]
    shares = table / np.maximum(support, 1)
    return heat_map(shares, names, classes, "share of the true class", counts=table,
                    xlabel="predicted", ylabel="true (utterances)")  # fmt: skip
