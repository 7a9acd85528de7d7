"""How figures look, in print and on a screen, and how they are written.

Sizes are those of a page of two columns: 3.5 inches for one, 7 for both, with text of 8 points.
Nothing here imports pyplot or seaborn: they take longer to load than a figure takes to draw.
"""

import contextlib
import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data.atomic import publish_bytes

COLUMN, PAGE = 3.5, 7.0  # inches
DPI = 220

# Okabe and Ito 2008, Color Universal Design: told apart with any kind of colour vision
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, YELLOW = "#E69F00", "#56B4E9", "#000000", "#F0E442"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
MARKERS = "osD^vPX*"
SOFT, FAINT = "#5f6b76", "#aab3bb"  # greys of what is held against a curve
SEQUENTIAL = "cividis"  # light is high; even in lightness for any kind of colour vision
SHARES = "Blues"  # white is none

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#3b444c",
    "axes.unicode_minus": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "wav2emo",  # and equal figures give equal bytes
}


@dataclass(frozen=True)
class Illustration:
    """A figure with its words."""

    name: str  # the files are <name>.png and <name>.svg
    title: str
    caption: str


def style() -> contextlib.AbstractContextManager[None]:
    """A context in which figures are made."""
    return matplotlib.rc_context(STYLE)


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `width` × `height` inches with so many axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def entitle(figure: Figure, words: str, size: int = 9) -> None:
    """Put words above a figure, from its left edge, in as many lines as they need."""
    across = int(figure.get_figwidth() * 90 / size)  # characters
    text = textwrap.fill(words, across, break_on_hyphens=False)
    figure.suptitle(text, x=0.01, ha="left", fontsize=size, fontweight="bold")


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as ``<name>.png`` and ``<name>.svg``, without time or version in them."""
    with style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out now, for both
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        image = io.BytesIO()
        with style():
            figure.savefig(image, format=kind, metadata=metadata)
        publish_bytes(folder / f"{name}.{kind}", image.getvalue())


def clear(folder: Path, names: Iterable[str]) -> None:
    """Remove the figures of an older run."""
    for name in names:
        for kind in ("png", "svg"):
            (folder / f"{name}.{kind}").unlink(missing_ok=True)


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart until neighbours are `gap` from each other, as little as that takes,
    within `low` and `high` if they all fit.

    >>> apart([0.5, 0.52, 0.9], gap=0.1, low=0, high=1)
    [0.46, 0.56, 0.9]
    """
    order = sorted(range(len(places)), key=lambda n: places[n])
    groups: list[tuple[float, list[int]]] = []  # sum of wished-for starts, members
    for n in order:
        groups.append((places[n], [n]))
        while len(groups) > 1 and _first(groups[-1], gap, low, high) < _last(
            groups[-2], gap, low, high
        ):
            total, members = groups.pop()
            before, earlier = groups.pop()
            shifted = total - gap * len(earlier) * len(members)
            groups.append((before + shifted, earlier + members))
    out = [0.0] * len(places)
    for group in groups:
        start = _first(group, gap, low, high)
        for number, n in enumerate(group[1]):
            out[n] = round(start + number * gap, 10)
    return out


def _first(group: tuple[float, list[int]], gap: float, low: float, high: float) -> float:
    total, members = group
    return max(low, min(total / len(members), high - gap * (len(members) - 1)))


def _last(group: tuple[float, list[int]], gap: float, low: float, high: float) -> float:
    return _first(group, gap, low, high) + gap * len(group[1])
