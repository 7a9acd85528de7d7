"""Elements of figures: curves with bands, heat maps, legends, wrapped names."""

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

from classify.report.style import BLACK, DOTTED, FAINT, PAGE, SHARES, SOFT, TYPE, panels

Table = npt.NDArray[np.floating]

CHARACTER = 0.62 * TYPE / 72  # inches, mean width in DejaVu Sans with some room
LINE = 1.25 * TYPE / 72  # inches
CELL = 0.29  # inches; "1.00" fits into it
BAR = 1.0  # inches of a colour bar with its label
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
    x: Sequence[float] | npt.NDArray[Any],
    y: Sequence[float] | Table,
    color: str,
    band: tuple[Any, Any] | None = None,
    **line: Any,
) -> None:
    """A line, and between the lower and upper values of `band` a shade of its colour."""
    if band is not None:
        axes.fill_between(x, *band, color=color, alpha=0.16, lw=0)
    seaborn.lineplot(x=x, y=y, ax=axes, color=color, errorbar=None, estimator=None, **line)


def entry(label: str, color: str = SOFT, **line: Any) -> Line2D:
    """A line or, with ``ls=""``, a marker of a legend."""
    return Line2D([], [], label=label, color=color, **line)


def legend(
    figure: Figure, entries: Sequence[Artist], title: str | None = None, *, above: bool = False
) -> None:
    """A legend below or above all panels in as many columns as fit; the figure grows by it."""
    labels = wrapped([str(each.get_label()) for each in entries], 60)
    rows = next(n for n in range(1, len(labels) + 1) if _fits(labels, n, figure.get_figwidth()))
    height = 1.15 * height_of(labels) * rows + LINE * (1 + bool(title))
    figure.set_figheight(figure.get_figheight() + height)
    columns = -(-len(labels) // rows)
    figure.legend(
        entries, labels, loc="outside upper center" if above else "outside lower center",
        ncols=columns, title=title,
    )  # fmt: skip


def _fits(labels: Sequence[str], rows: int, width: float) -> bool:
    """Whether a legend of so many rows, filled column by column, is narrow enough."""
    columns = [labels[n : n + rows] for n in range(0, len(labels), rows)]
    return rows == len(labels) or sum(width_of(each) + 0.6 for each in columns) < width


def heat_map(
    values: Table,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    low: float = 0.0,
    colours: str = SHARES,
    counts: npt.NDArray[Any] | None = None,
    high: float = 1.0,
) -> tuple[Figure, Axes]:
    """A figure of values up to 1, with its numbers in the cells where they are legible.

    Args:
        values: (row, column); NaN is left blank.
        rows, columns: names.
        label: what the values are, beside the colour bar.
        low: where the colours begin.
        colours: name of a colour map.
        counts: (row, column) in a second line of each cell.
        high: where the colours end.
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
    return figure, axes
