"""Style of the figures, and how they are written.

A figure is at most `PAGE` inches wide and its text has one size, so that all figures of a page have
the same size of type. The look is seaborn's: style "ticks", palette "colorblind".
"""

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from data.atomic import publish_bytes

PAGE = 7.0  # inches
DPI = 220
TYPE = 8  # points

_COLORBLIND = seaborn.color_palette("colorblind").as_hex()
PALETTE = tuple(_COLORBLIND[n] for n in (0, 1, 2, 3, 4, 9, 5, 6, 8))  # without grey, pale ones last
BLUE, ORANGE, _, VERMILION = PALETTE[:4]
MARKERS = "osD^vPX*"
BLACK = "#000000"
SOFT, FAINT = "#5f6b76", "#aab3bb"  # of controls and baselines
DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 2))
SEQUENTIAL = "cividis"  # light is high; even in lightness for any kind of colour vision
SHARES = "Blues"  # white is none

STYLE: dict[Any, Any] = {
    **seaborn.axes_style("ticks"),
    **seaborn.plotting_context("paper"),
    "font.sans-serif": ["DejaVu Sans"],  # part of matplotlib, so figures are equal everywhere
    **dict.fromkeys(
        ("font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "ytick.labelsize",
         "legend.fontsize", "legend.title_fontsize"),
        TYPE,
    ),
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "wav2emo",  # and equal figures give equal bytes
}  # fmt: skip


@dataclass(frozen=True)
class Illustration:
    """A figure with title and caption."""

    name: str  # the files are <name>.png and <name>.svg
    title: str
    caption: str
    make: Callable[[], Figure]
    inches: float = PAGE  # width


def style() -> contextlib.AbstractContextManager[None]:
    """A context in which figures are made."""
    return matplotlib.rc_context(STYLE)


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `width` × `height` inches with so many axes, row by row."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)  # inches
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def write(planned: Iterable[Illustration], folder: Path, title: str) -> list[Illustration]:
    """Draw figures and write each as PNG and SVG, with `title` in their metadata."""
    drawn = []
    for illustration in planned:
        with style():
            figure = illustration.make()
            figure.draw_without_rendering()
            figure.set_layout_engine(None)  # both files have this layout
            for kind in ("png", "svg"):
                image = as_bytes(figure, kind, f"{title}: {illustration.title}")
                publish_bytes(folder / f"{illustration.name}.{kind}", image)
        drawn.append(replace(illustration, inches=figure.get_figwidth()))
    return drawn


def as_bytes(figure: Figure, kind: str = "png", title: str | None = None) -> bytes:
    """A figure as PNG or SVG, without time or version in it."""
    nothing: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    image = io.BytesIO()
    with style():
        figure.savefig(image, format=kind, metadata=nothing[kind] | {"Title": title})
    return image.getvalue()
