"""Figures with the layers along the horizontal axis, and of what was chosen among them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from classify.probing.result import LayerScores, TargetResult, numbers
from classify.report.elements import CHANCE, curve, entry, height_of, legend, wrapped
from classify.report.published import Anchor
from classify.report.style import (
    BLACK,
    DASHED,
    FAINT,
    MARKERS,
    PAGE,
    PALETTE,
    SOFT,
    panels,
)
from data.cache.recipe import in_words

BASELINES = {"logmel": "log-mel", "energy": "level", "egemaps": "eGeMAPS", "duration": "duration"}
DASHES = {
    "logmel": (0, (7, 2)),
    "energy": (0, (2, 2)),
    "egemaps": (0, (9, 2, 2, 2)),
    "duration": (0, (5, 2, 1, 2)),
}
REMOVED: dict[str, Any] = {"color": BLACK, "lw": 1.1, "ls": DASHED}
CONTROL: dict[str, Any] = {"color": SOFT, "lw": 1.1, "marker": "x", "mec": SOFT}
SHUFFLED: dict[str, Any] = {"color": FAINT, "lw": 1.1}
LAYER = "hidden layer"
UAR = "UAR"


def curves_figure(targets: Sequence[TargetResult], published: Sequence[Anchor]) -> Figure:
    """All targets on one axis, with the controls of the first and what others published."""
    figure, (axes,) = panels(1, 1, PAGE, 3.6)
    entries: list[Line2D] = []
    layers = targets[0].numbers
    for number, target in enumerate(targets):
        look = _look(number)
        _scores(axes, target.layers, **look)
        axes.plot([layers[0] - 0.75, layers[0] - 0.25], [target.chance] * 2, lw=1.4,
                  color=look["color"])  # fmt: skip
        entries.append(entry(target.name, **look))
    entries += _controls(axes, targets[0], f"{targets[0].name}: ")
    entries += [_anchor(axes, anchor, layers[-1]) for anchor in published]
    entries.append(entry("chance (short lines at the left)", SOFT, lw=1.4))
    axes.set(xlabel=LAYER, ylabel=UAR, ylim=(0, 1.01), xlim=(layers[0] - 0.9, layers[-1] + 0.9))
    axes.set_xticks(layers if len(layers) < 16 else layers[::2])
    legend(figure, entries)
    return figure


def targets_figure(targets: Sequence[TargetResult]) -> Figure:
    """A panel for each target: its curve, its controls, and the layers that are as good as the
    best, as filled points."""
    across = min(3, len(targets))
    down = -(-len(targets) // across)
    figure, every = panels(down, across, PAGE, 0.3 + 1.9 * down)
    entries: dict[str, Line2D] = {}
    for number, (axes, target) in enumerate(zip(every, targets, strict=False)):
        entries |= {str(each.get_label()): each for each in _controls(axes, target)}
        _scores(axes, target.layers, **_look(number))
        _mark_best(axes, target, _look(number))
        axes.axhline(target.chance, **CHANCE)
        axes.set_title(wrapped([target.name], 24)[0])
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        axes.set_ylim(0, min(1.02, 1.05 * axes.dataLim.y1))
        axes.set_ylabel(UAR if number % across == 0 else "")
        axes.set_xlabel(LAYER if number >= across * (down - 1) else "")
    for axes in every[len(targets) :]:
        axes.set_axis_off()
    marks = [
        entry("not distinguishable from the best (ring)", marker="o", ls=""),
        entry("worse than the best", marker="o", mfc="white", ls=""),
        entry("chance", **CHANCE),
    ]
    legend(figure, [*entries.values(), *marks])
    return figure


def selection_figure(targets: Sequence[TargetResult]) -> Figure:
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
        seaborn.scatterplot(
            x=list(votes), y=[row] * len(votes), ax=right, color=colour, lw=0,
            s=[160 * number / sum(votes.values()) for number in votes.values()],
        )  # fmt: skip
    for axes in (left, right):
        axes.set(ylim=(len(names) - 0.5, -0.5), ylabel="")
        axes.set_yticks(range(len(names)), names if axes is left else [""] * len(names))
        axes.tick_params(axis="y", length=0)
    left.set(xlabel=UAR, xlim=(0, 1.01))
    right.set(xlabel="layer chosen (area: share of folds)")
    right.xaxis.set_major_locator(MaxNLocator(13, integer=True))
    legend(figure, [
        entry("nested choice, 95 % interval", marker="o", ms=4, lw=4, alpha=0.5),
        entry("best on test", marker="o", ms=7, mfc="none", ls=""),
        entry("chance", marker="|", ms=9, ls=""),
    ])  # fmt: skip
    return figure


def description_length_figure(targets: Sequence[TargetResult]) -> Figure:
    """Online code length of each layer, as a share of the uniform code's."""
    figure, (axes,) = panels(1, 1, PAGE, 2.6)
    entries = []
    for number, target in enumerate(targets):
        rows, look = target.description_length, _look(number)
        if not rows:
            continue
        share = np.array([row.bits / row.uniform_bits for row in rows])
        spread = np.array([row.deviation / row.uniform_bits for row in rows])
        curve(axes, target.numbers, share, band=(share - spread, share + spread), **look)
        entries.append(entry(target.name, **look))
    axes.axhline(1, **CHANCE)
    entries.append(entry("uniform code", **CHANCE))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(13, integer=True))
    axes.set(xlabel=LAYER, ylabel="share of the uniform code", ylim=(0, None))
    legend(figure, entries)
    return figure


def _look(number: int) -> dict[str, Any]:
    """Colour and marker of a target; the shape helps where colours look alike."""
    return {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)],
            "mec": "white", "mew": 0.3, "ms": 4.5}  # fmt: skip


def _scores(axes: Axes, rows: Sequence[LayerScores], *, banded: bool = True, **look: Any) -> None:
    """Draw the UAR by layer, with its interval as a band if it has one."""
    known = banded and all(row.scores.interval for row in rows)
    band = tuple(np.transpose([row.scores.interval for row in rows])) if known else None
    uars = [row.scores.uar for row in rows]
    curve(axes, numbers(rows), uars, band=band, clip_on=False, **look)


def _controls(axes: Axes, target: TargetResult, prefix: str = "") -> list[Line2D]:
    """Draw the controls of a target's curve, in greys, and return their entries in a legend.

    With a prefix, where other targets are on the same axes, they have no intervals.
    """
    entries, layers = [], target.numbers
    if removed := target.removed:
        _scores(axes, removed.layers, banded=not prefix, **REMOVED)
        entries.append(entry(f"{prefix}without {removed.what}", **REMOVED))
    if control := target.control:
        _scores(axes, control.layers, banded=not prefix, **CONTROL)
        entries.append(entry(f"{prefix}{in_words(control.recipe)}", **CONTROL))
    for name, row in target.baselines.items():
        look: dict[str, Any] = {"color": SOFT, "lw": 1.1, "ls": DASHES[name]}
        curve(axes, layers, [row.scores.uar] * len(layers), **look)
        entries.append(entry(f"{prefix}{BASELINES[name]}", **look))
    if target.shuffled:
        values = np.array([row.uar for row in target.shuffled.layers])
        spread = np.array([row.deviation for row in target.shuffled.layers])
        curve(axes, layers, values, band=(values - spread, values + spread), **SHUFFLED)
        entries.append(entry(f"{prefix}shuffled labels", **SHUFFLED))
    return entries


def _mark_best(axes: Axes, target: TargetResult, look: dict[str, Any]) -> None:
    """White points on layers that differ from the best, a ring about the best."""
    best = target.best
    ring = {**look, "mec": look["color"], "mew": 1, "clip_on": False, "zorder": 3, "ls": ""}
    for index, (layer, row) in enumerate(zip(target.numbers, target.layers, strict=True)):
        if index not in best.equals:
            axes.plot(layer, row.scores.uar, **ring | {"mfc": "white"})
        if index == best.index:
            axes.plot(layer, row.scores.uar, **ring | {"mfc": "none", "ms": 9, "marker": "o"})


def _anchor(axes: Axes, anchor: Anchor, last: int) -> Line2D:
    """Draw a published score, at its layer or, of all layers, at the right edge."""
    place = last + 0.6 if anchor.layer is None else anchor.layer
    number = sum(line.get_gid() == "published" for line in axes.lines)
    look: dict[str, Any] = {"color": BLACK, "marker": "DsPX"[number % 4], "ls": "", "mfc": "white",
                            "ms": 5, "mew": 0.9}  # fmt: skip
    axes.plot(place, anchor.score, zorder=4, clip_on=False, gid="published", **look)
    where = "" if anchor.layer is None else f", layer {anchor.layer}"
    words = f"{anchor.source} ({anchor.measure}{where}, {anchor.protocol})"
    return entry(words, **look)
