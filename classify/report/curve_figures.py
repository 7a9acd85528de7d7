"""Figures with the layers along the horizontal axis, and of what was chosen among them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from classify.report.published import Anchor, anchors
from classify.report.style import BLACK, FAINT, PAGE, PALETTE, SOFT, apart, panels
from data.cache.recipe import encoder_in_words

Json = dict[str, Any]
Label = tuple[float, str, str]  # height, words, colour

BASELINES = {"logmel": "log-mel", "energy": "level", "duration": "duration"}
DASHES = {"logmel": (0, (6, 2)), "energy": (0, (1, 1.5)), "duration": (0, (3, 1.5, 1, 1.5))}
LAYER = "hidden layer"
UAR = "UAR"


def curves_figure(metrics: Json) -> Figure:
    """All targets on one axis, with the controls of the first and what others published."""
    figure, (axes,) = panels(1, 1, PAGE, 3.9)
    labels: list[Label] = []
    for number, (name, target) in enumerate(metrics["targets"].items()):
        colour = PALETTE[number % len(PALETTE)]
        labels.append((_curve(axes, target["layers"], colour), name, colour))
        first = target["layers"][0]["layer"]
        axes.plot([first - 0.75, first - 0.25], [target["chance"]] * 2, color=colour, lw=1.2)
    name, target = next(iter(metrics["targets"].items()))
    labels += _controls(axes, target, f"{name}: ")
    layers = [row["layer"] for row in target["layers"]]
    found = anchors(metrics)
    labels += [_anchor(axes, anchor) for anchor in found]
    lowest = min(target["chance"] for target in metrics["targets"].values())
    axes.annotate("chance", (layers[0] - 0.75, lowest), (0, -3), textcoords="offset points",
                  va="top", color=SOFT, fontsize=6.5)  # fmt: skip
    if found:
        axes.annotate("◇ published, by other protocols: not to be compared", (0.99, 0.015),
                      xycoords="axes fraction", ha="right", color=SOFT, fontsize=6.5)  # fmt: skip
    axes.set(xlabel=LAYER, ylabel=UAR, ylim=(0, 1.01), xlim=(layers[0] - 0.9, layers[-1] + 0.4))
    axes.set_xticks(layers if len(layers) < 16 else layers[::2])
    _label_ends(figure, axes, labels)
    return figure


def targets_figure(metrics: Json) -> Figure:
    """A panel for each target: its curve, its controls, and the layers that are as good as the
    best, as filled points."""
    targets = metrics["targets"]
    across = min(3, len(targets))
    down = -(-len(targets) // across)
    figure, every = panels(down, across, PAGE if across > 1 else PAGE / 2, 0.5 + 1.9 * down)
    for number, (axes, (name, target)) in enumerate(zip(every, targets.items(), strict=False)):
        colour = PALETTE[number % len(PALETTE)]
        rows = target["layers"]
        _controls(axes, target, "")
        _curve(axes, rows, colour)
        _equals(axes, target, colour)
        axes.axhline(target["chance"], color=BLACK, lw=0.7, ls=(0, (1, 2)), zorder=0)
        axes.set_title(name)
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        tops = [*map(_top, rows), *_heights(target)]
        axes.set_ylim(0, min(1.02, 1.12 * max(tops)))
        if number % across == 0:
            axes.set_ylabel(UAR)
        if number >= across * (down - 1):
            axes.set_xlabel(LAYER)
    for axes in every[len(targets) :]:
        axes.set_axis_off()
    _legend(figure, next(iter(targets.values())))
    return figure


def selection_figure(metrics: Json) -> Figure:
    """The nested choice beside the layer best on test, and which layers the folds chose."""
    targets = {name: t for name, t in metrics["targets"].items() if "selection" in t}
    figure, (left, right) = panels(1, 2, PAGE, 0.9 + 0.32 * max(4, len(targets)))
    for height, target in enumerate(targets.values()):
        colour = PALETTE[height % len(PALETTE)]
        chosen = target["selection"]
        if chosen["ci95"]:
            left.plot(
                chosen["ci95"], [height] * 2, color=colour, lw=3.5, alpha=0.3, solid_capstyle="butt"
            )
        left.plot(
            chosen["best_on_test"], height, "o", color=colour, ms=6, mfc="white", clip_on=False
        )
        left.plot(chosen["uar"], height, "o", color=colour, ms=3.5, clip_on=False)
        left.plot(target["chance"], height, "|", color=SOFT, ms=8)
        _votes(right, target, height, colour)
    for axes in (left, right):
        axes.set_ylim(len(targets) - 0.5, -0.5)
        axes.set_yticks(range(len(targets)), list(targets))
        axes.tick_params(axis="y", length=0)
    left.set(xlabel=UAR, xlim=(0, 1.01))
    marks = [("o", SOFT, 3.5, "nested choice, 95 % interval"), ("o", "white", 6, "best on test"),
             ("|", SOFT, 8, "chance")]  # fmt: skip
    handles = [
        Line2D([], [], color=SOFT, marker=m, mfc=face, ms=size, ls="", label=words)
        for m, face, size, words in marks
    ]
    left.legend(
        handles=handles,
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        handletextpad=0.2,
        columnspacing=1,
    )
    right.set(xlabel="layer chosen by the training part (area: share of folds)")
    right.xaxis.set_major_locator(MaxNLocator(13, integer=True))
    right.tick_params(labelleft=False)
    return figure


def description_length_figure(metrics: Json) -> Figure:
    """Online code length of each layer, as a share of the uniform code's."""
    targets = {n: t for n, t in metrics["targets"].items() if "description_length" in t}
    figure, (axes,) = panels(1, 1, PAGE * 0.7, 2.8)
    labels: list[Label] = []
    for number, (name, target) in enumerate(metrics["targets"].items()):
        if name not in targets:
            continue
        rows, colour = target["description_length"], PALETTE[number % len(PALETTE)]
        layers = [row["layer"] for row in rows]
        share = np.array([row["bits"] / row["uniform_bits"] for row in rows])
        spread = np.array([row["deviation"] / row["uniform_bits"] for row in rows])
        axes.plot(layers, share, "o-", color=colour)
        axes.fill_between(layers, share - spread, share + spread, color=colour, alpha=0.18, lw=0)
        labels.append((float(share[-1]), name, colour))
    axes.axhline(1, color=BLACK, lw=0.7, ls=(0, (1, 2)))
    labels.append((1.0, "uniform code", SOFT))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(13, integer=True))
    axes.set(xlabel=LAYER, ylabel="bits, of the uniform code's", ylim=(0, None))
    _label_ends(figure, axes, labels)
    return figure


def _curve(
    axes: Axes, rows: Sequence[Json], colour: str, dashes: Any = "-", width: float = 1.4
) -> float:
    """UAR by layer, with its interval as a band; the height at which it ends."""
    layers = [row["layer"] for row in rows]
    values = [row["uar"] for row in rows]
    if all(row["ci95"] for row in rows):
        low, high = np.transpose([row["ci95"] for row in rows])
        axes.fill_between(layers, low, high, color=colour, alpha=0.16, lw=0)
    marker = "o" if dashes == "-" else ""
    axes.plot(layers, values, color=colour, ls=dashes, lw=width, marker=marker, clip_on=False)
    return float(values[-1])


def _controls(axes: Axes, target: Json, prefix: str) -> list[Label]:
    """Everything that a target's curve is to be held against, in greys."""
    labels: list[Label] = []
    layers = [row["layer"] for row in target["layers"]]
    found = target.get("controls", {})
    if removed := target.get("removed"):
        height = _curve(axes, removed["layers"], BLACK, (0, (4, 1.5)), 1.1)
        labels.append((height, f"{prefix}without {removed['what']}", BLACK))
    if control := found.get("control"):
        height = _curve(axes, control["layers"], SOFT, (0, (4, 1.5)), 1.1)
        labels.append((height, f"{prefix}{control['encoder']}", SOFT))
    for name, words in BASELINES.items():
        if name in found:
            height = found[name]["uar"]
            axes.plot(layers, [height] * len(layers), color=SOFT, lw=1, ls=DASHES[name])
            labels.append((height, f"{prefix}{words}", SOFT))
    if shuffled := found.get("shuffled"):
        values = np.array([row["uar"] for row in shuffled["layers"]])
        spread = np.array([row["deviation"] for row in shuffled["layers"]])
        axes.fill_between(layers, values - spread, values + spread, color=FAINT, alpha=0.35, lw=0)
        axes.plot(layers, values, color=FAINT, lw=1)
        labels.append((float(values[-1]), f"{prefix}shuffled labels", SOFT))
    return labels


def _heights(target: Json) -> list[float]:
    """The highest point of each control."""
    found = target.get("controls", {})
    heights = [found[name]["uar"] for name in BASELINES if name in found]
    curves = [c["layers"] for c in (found.get("control"), target.get("removed")) if c]
    return [*heights, *(_top(row) for rows in curves for row in rows)]


def _top(row: Json) -> float:
    """Where the interval of a row ends, or its score where there is none."""
    return row["ci95"][1] if row["ci95"] else row["uar"]


def _equals(axes: Axes, target: Json, colour: str) -> None:
    """White points on layers that differ from the best, a ring about the best."""
    rows = {row["layer"]: row["uar"] for row in target["layers"]}
    best = target["best"]
    for layer, value in rows.items():
        if layer not in best["equals"]:
            axes.plot(layer, value, "o", color=colour, mfc="white", zorder=3, clip_on=False)
    top = rows[best["layer"]]
    axes.plot(best["layer"], top, "o", color=colour, mfc="none", ms=8, zorder=3, clip_on=False)


def _anchor(axes: Axes, anchor: Anchor) -> Label:
    """A published score as a diamond: at its layer, or of all layers beside them."""
    place, across = anchor.layer, axes.transData
    if place is None:
        place, across = 1, axes.get_yaxis_transform()
    diamond = Line2D([place], [anchor.score], marker="D", color=BLACK, mfc="white", ms=4, mew=0.8)
    diamond.set(transform=across, zorder=4)
    axes.add_artist(diamond).set_clip_on(False)
    where = "" if anchor.layer is None else f", layer {anchor.layer}"
    words = f"◇ {anchor.source} ({anchor.measure}{where}, {anchor.protocol})"
    return anchor.score, words, BLACK


def _label_ends(figure: Figure, axes: Axes, labels: Sequence[Label]) -> None:
    """Words at the right of the lines that they belong to, moved apart where they would touch."""
    low, high = axes.get_ylim()
    points = 0.82 * 72 * figure.get_size_inches()[1]  # about the axis
    gap = (high - low) * 8.5 / points
    heights = apart([height for height, _, _ in labels], gap, low, high)
    for (height, words, colour), place in zip(labels, heights, strict=True):
        across = axes.get_yaxis_transform()
        line = Line2D([1.0, 1.025], [height, place], color=colour, lw=0.5, transform=across)
        axes.add_artist(line).set_clip_on(False)
        axes.text(1.03, place, words, color=colour, size=6.8, va="center", transform=across)


def _legend(figure: Figure, target: Json) -> None:
    """What the greys are, once for all panels."""
    found = target.get("controls", {})
    lines = [
        Line2D([], [], color=SOFT, marker="o", ls="", label="not told from the best (ring)"),
        Line2D([], [], color=SOFT, marker="o", mfc="white", ls="", label="differs from it"),
    ]
    if "removed" in target:
        words = f"without {target['removed']['what']}"
        lines.append(Line2D([], [], color=BLACK, ls=(0, (4, 1.5)), lw=1.1, label=words))
    if "control" in found:
        words = encoder_in_words(found["control"])
        lines.append(Line2D([], [], color=SOFT, ls=(0, (4, 1.5)), lw=1.1, label=words))
    lines += [
        Line2D([], [], color=SOFT, lw=1, ls=DASHES[name], label=words)
        for name, words in BASELINES.items()
        if name in found
    ]
    if "shuffled" in found:
        lines.append(Line2D([], [], color=FAINT, lw=1, label="shuffled labels"))
    lines.append(Line2D([], [], color=BLACK, lw=0.7, ls=(0, (1, 2)), label="chance"))
    figure.legend(handles=lines, loc="outside lower center", ncols=4)


def _votes(axes: Axes, target: Json, height: int, colour: str) -> None:
    """How many folds chose each layer, as areas of discs."""
    votes = Counter(fold["layer"] for fold in target["selection"]["folds"])
    count = sum(votes.values())
    for layer in (row["layer"] for row in target["layers"]):
        axes.plot(layer, height, ".", color=FAINT, ms=1.5, zorder=0)
    for layer, number in votes.items():
        axes.scatter(layer, height, 160 * number / count, color=colour, lw=0)
