"""Figures of points, densities, bars and matrices, most of them with several panels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from classify.report.elements import (
    CHANCE,
    LINE,
    LONG,
    entry,
    grid,
    leftmost,
    legend,
    width_of,
    wrapped,
)
from classify.report.row_figures import short
from classify.report.style import (
    BLACK,
    BLUE,
    DASHED,
    FAINT,
    MARKERS,
    PAGE,
    PALETTE,
    SHARES,
    VERMILION,
    panels,
)
from classify.stats.metrics import Counts

if TYPE_CHECKING:
    from classify.probing.maps import LayerMaps
    from classify.probing.targets import Task

FOLDS = 4  # panels of confusion matrices in a row
TITLE = 14  # characters of their titles
MANY_KEYS = 30  # groups in a map; the names of more are not shown
OUTSIDE = (0.05, 0.25, 0.5, 0.75)  # shares of the density below each contour

Values = npt.NDArray[np.float64]


def fold_confusions_figure(tables: Mapping[str, Counts], classes: Sequence[str]) -> Figure:
    """Shares of each true class in each fold (title → confusion matrix), without their numbers."""
    columns = min(FOLDS, len(tables))
    rows = -(-len(tables) // columns)
    names = wrapped(classes, LONG - 4, lines=1)
    side = (PAGE - width_of(names)) / FOLDS - 0.15
    shown = names if side / len(names) >= LINE else False
    high = rows * (side + 0.45) + (2 if len(tables) % columns else 1) * (width_of(names) + 0.15)
    figure, axes = panels(rows, columns, width_of(names) + columns * (side + 0.15), high)
    for place, (each, (title, table)) in enumerate(zip(axes, tables.items(), strict=False)):
        last = place + columns >= len(tables)  # no panel is below
        seaborn.heatmap(
            table / np.maximum(table.sum(1, keepdims=True), 1), vmin=0, vmax=1, cmap=SHARES,
            ax=each, cbar=False, linewidths=0.4, linecolor=FAINT,
            xticklabels=last and shown, yticklabels=not place % columns and shown,
        )  # fmt: skip
        each.tick_params(axis="both", length=0)
        each.tick_params(axis="y", rotation=0)
        each.tick_params(axis="x", rotation=90)
        each.set_title(wrapped([title], TITLE, lines=1)[0])
    for empty in axes[len(tables) :]:
        empty.set_axis_off()
    return figure


def maps_figure(layer: "LayerMaps", task: "Task") -> Figure:
    """Maps of one layer: a row coloured by class, a row coloured by speaker."""
    count = len(layer.maps)
    figure, every = panels(2, count, PAGE, 4.6)
    voices, speakers = np.unique(task.selection.speakers.astype(str), return_inverse=True)
    colourings = (
        (task.y, task.classes, task.target),
        (speakers, short(voices.tolist()), "speaker"),
    )
    for row, (groups, names, title) in enumerate(colourings):
        colours = [PALETTE[n % len(PALETTE)] for n in range(len(names))]
        markers = [MARKERS[n % len(MARKERS)] for n in range(len(names))]
        for column, each in enumerate(layer.maps):
            axes = every[row * count + column]
            of = groups[each.rows]
            seaborn.scatterplot(
                x=each.points[:, 0], y=each.points[:, 1], hue=of, style=of, ax=axes, s=11, lw=0.2,
                palette=dict(enumerate(colours)), markers=dict(enumerate(markers)), legend=False,
            )  # fmt: skip
            axes.set(xlabel=each.axes[0], ylabel=each.axes[1], xticks=[], yticks=[])
            shown = " (held-out speakers)" if each.kind == "LDA" else ""
            axes.set_title(f"{each.kind}{shown}" if row == 0 else "")
        entries = [
            entry(name, colour, ls="", marker=marker)
            for name, colour, marker in zip(names, colours, markers, strict=True)
        ]
        if len(names) > MANY_KEYS:
            title, entries = f"{len(names)} {title}s", [entry("…", FAINT, ls="")]
        legend(figure, entries, title, above=row == 0)
    return figure


def attention_figure(attended: dict[str, Values], seconds: float) -> Figure:
    """Attention of the head in some utterances, over time or layers."""
    columns = min(2 if len(attended) <= 8 else 3, len(attended))
    figure, shown = grid(len(attended), columns, 0.4, 1.35)
    for axes, (title, weights) in zip(shown, attended.items(), strict=True):
        edges = np.arange(len(weights) + 1) * seconds if seconds else np.arange(len(weights) + 1)
        edges = edges if seconds else edges - 0.5  # a bar is centred on its layer
        seaborn.histplot(x=(edges[1:] + edges[:-1]) / 2, weights=weights, bins=edges.tolist(),
                         ax=axes, color=BLUE, alpha=1, lw=0)  # fmt: skip
        axes.axhline(1 / len(weights), label="equal attention", **CHANCE)
        axes.set_title(wrapped([title], 76 // columns)[0])
        axes.set(ylim=(0, None), xlabel="seconds" if seconds else "hidden layer", ylabel="")
    return legend(figure)


def predictions_figure(
    names: Sequence[str], truths: Values, predictions: Values, ccc: dict[str, float | None]
) -> Figure:
    """A panel for each target: truth along, prediction up, and the line where they are equal."""
    across = min(3, len(names))
    side = PAGE / max(2, across)
    figure, every = grid(len(names), across, 0, 1.05 * side, side * across)
    for column, (axes, name) in enumerate(zip(every, names, strict=True)):
        truth, prediction = truths[:, column], predictions[:, column]
        limits = _limits(np.concatenate([truth, prediction]))
        axes.plot(limits, limits, color=BLACK, lw=0.8, ls=DASHED)
        alpha = float(np.clip(60 / len(truth) ** 0.75, 0.05, 0.8))
        seaborn.scatterplot(x=truth, y=prediction, ax=axes, s=9, color=BLUE, alpha=alpha, lw=0,
                            rasterized=True)  # fmt: skip
        score = "not defined" if ccc[name] is None else f"{ccc[name]:.2f}"
        axes.set_title(f"{wrapped([name])[0]}\nCCC {score}")
        axes.set(xlabel="truth", xlim=limits, ylim=limits, aspect="equal")
        axes.set_ylabel(leftmost(axes, "prediction"))
        axes.locator_params(nbins=6)
    return figure


def plane_figure(names: Sequence[str], truth: Values, prediction: Values) -> Figure:
    """Densities of the truth and of the predictions in the plane of two targets.

    Valence goes along and arousal up (Russell 1980, A circumplex model of affect); of other targets
    the first goes along.
    """
    along, up = (1, 0) if tuple(names) == ("arousal", "valence") else (0, 1)
    figure, (axes,) = panels(1, 1, 0.7 * PAGE, 0.6 * PAGE)
    every = {"truth": (truth, BLUE, True), "prediction": (prediction, VERMILION, False)}
    for values, colour, filled in every.values():
        x, y = values[:, along], values[:, up]
        look: dict[str, Any] = {"color": colour, "levels": OUTSIDE}
        if filled:
            shades = seaborn.light_palette(colour, as_cmap=True)
            look = {"cmap": shades, "levels": (*OUTSIDE, 1), "fill": True}
        if np.linalg.matrix_rank(np.cov(x, y), rtol=1e-9) == 2:
            seaborn.kdeplot(x=x, y=y, ax=axes, cut=1, **look)
        else:  # values on a line have no density
            seaborn.scatterplot(x=x, y=y, ax=axes, s=9, color=colour, lw=0, rasterized=True)
        axes.plot(x.mean(), y.mean(), "X", color=colour, mec="white", mew=0.8, ms=7, zorder=5)
    both = np.vstack([truth, prediction])
    axes.set(xlim=_limits(both[:, along]), ylim=_limits(both[:, up]))
    xlabel, ylabel = (wrapped([names[n]], 40)[0] for n in (along, up))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return legend(
        figure, [Patch(color=BLUE, alpha=0.5, label="truth"), entry("prediction", VERMILION)]
    )


def _limits(values: Values) -> tuple[float, float]:
    """Lowest and highest with a margin, also where they are the same."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin
