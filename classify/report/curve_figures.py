"""Figures with the layers, the levels of conditions or the epochs along the horizontal axis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from classify.probing.result import LayerScores, TargetResult, numbers
from classify.report.elements import (
    CHANCE,
    CLEAN_LINE,
    along_layers,
    curve,
    entry,
    grid,
    leftmost,
    legend,
    series,
    wrapped,
)
from classify.report.published import Anchor
from classify.report.row_figures import top
from classify.report.style import (
    BLACK,
    BLUE,
    DASHED,
    FAINT,
    ORANGE,
    PAGE,
    SOFT,
    panels,
)
from classify.stats import intervals
from classify.stats.metrics import Counts, uar
from classify.transfer.cells import ACROSS, WITHIN
from data.cache.recipe import in_words

if TYPE_CHECKING:
    from classify.evaluation.classes import Spread
    from classify.evaluation.crossvalidate import History
    from classify.robustness.design import Row
    from classify.transfer.result import Transfer

PARTS = {"train": ("train", SOFT), "stop": ("held out for early stopping", ORANGE),
         "heldout": ("test fold", BLUE)}  # fmt: skip
SCORES = {"loss": "cross-entropy (nats)", "accuracy": "accuracy", "uar": "UAR"}
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
UNITS = {"noise": "SNR in dB", "reverb": "RT60 in s", "gain": "gain in dB", "mp3": "kbit/s",
         "opus": "kbit/s", "clip": "share clipped", "speed": "speed", "crop": "samples",
         "lowpass": "Hz", "highpass": "Hz"}  # fmt: skip
FEW = 3  # runs; of more, only the first has a band


def curves_figure(targets: Sequence[TargetResult], published: Sequence[Anchor]) -> Figure:
    """All targets on one axis, with the controls of the first and what others published."""
    figure, (axes,) = panels(1, 1, PAGE, 3.6)
    layers = targets[0].numbers
    left, right = layers[0] - 0.9, layers[-1] + 0.9
    for number, target in enumerate(targets):
        look = series(number)
        _scores(axes, layers, target.layers, target.name, **look)
        axes.plot([left + 0.15, left + 0.65], [target.chance] * 2, color=look["color"])
    _controls(axes, targets[0], f"{targets[0].name}: ")
    for number, anchor in enumerate(published):
        place, where = right - 0.3, ""
        if anchor.layer is not None:
            place, where = anchor.layer, f", layer {anchor.layer}"
        axes.plot(
            place, anchor.score, "DsPX"[number % 4], color=BLACK, mfc="white", ms=5, mew=0.9,
            zorder=4, clip_on=False,
            label=f"{anchor.source} ({anchor.measure}{where}, {anchor.protocol})",
        )  # fmt: skip
    axes.set(xlabel="hidden layer", ylabel="UAR", xlim=(left, right), ylim=(0, 1.01))
    axes.set_xticks(layers if len(layers) < 16 else layers[::2])
    return legend(figure, [entry("chance (short lines at the left)", SOFT, lw=1.4)])


def targets_figure(targets: Sequence[TargetResult]) -> Figure:
    """A panel for each target: its curve, its controls, and the layers that are as good as the
    best, as filled points."""
    figure, every = grid(len(targets), 3, 0.3, 1.9)
    for number, (axes, target) in enumerate(zip(every, targets, strict=True)):
        _controls(axes, target)
        _scores(axes, target.numbers, target.layers, **series(number))
        _mark_best(axes, target, series(number))
        axes.axhline(target.chance, label="chance", **CHANCE)
        axes.set_title(wrapped([target.name], 24)[0])
        along_layers(axes, 7)
        axes.set_ylim(0, min(1.02, 1.05 * axes.dataLim.y1))
        axes.set_ylabel(leftmost(axes, "UAR"))
    return legend(figure, [
        entry("not distinguishable from the best (ring)", marker="o", ls=""),
        entry("worse than the best", marker="o", mfc="white", ls=""),
    ])  # fmt: skip


def description_length_figure(targets: Sequence[TargetResult]) -> Figure:
    """Online code length of each layer, as a share of the uniform code's."""
    figure, (axes,) = panels(1, 1, PAGE, 2.6)
    for number, target in enumerate(targets):
        if rows := target.description_length:
            share = np.array([row.bits / row.uniform_bits for row in rows])
            spread = np.array([row.deviation / row.uniform_bits for row in rows])
            band = (share - spread, share + spread)
            curve(axes, target.numbers, share, target.name, band, **series(number))
    axes.axhline(1, label="uniform code", **CHANCE)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    along_layers(axes)
    axes.set(ylabel="share of the uniform code", ylim=(0, None))
    return legend(figure)


def _scores(
    axes: Axes,
    x: Sequence[float],
    rows: "Sequence[LayerScores] | Sequence[Row]",
    label: str = "",
    *,
    banded: bool = True,
    **look: Any,
) -> None:
    """Draw the UAR of layers or levels, with their intervals as a band where all have one."""
    known = banded and all(row.scores.interval for row in rows)
    band = tuple(np.transpose([row.scores.interval for row in rows])) if known else None
    curve(axes, x, [row.scores.uar for row in rows], label, band, clip_on=False, **look)


def _controls(axes: Axes, target: TargetResult, prefix: str = "") -> None:
    """Draw the controls of a target's curve in greys; with a prefix, where other targets are on the
    same axes, without intervals."""
    layers, banded = target.numbers, not prefix
    if removed := target.removed:
        label = f"{prefix}without {removed.what}"
        _scores(axes, numbers(removed.layers), removed.layers, label, banded=banded, **REMOVED)
    if control := target.control:
        label = f"{prefix}{in_words(control.recipe)}"
        _scores(axes, numbers(control.layers), control.layers, label, banded=banded, **CONTROL)
    for name, row in target.baselines.items():
        look: dict[str, Any] = {"color": SOFT, "lw": 1.1, "ls": DASHES[name]}
        curve(axes, layers, [row.scores.uar] * len(layers), f"{prefix}{BASELINES[name]}", **look)
    if target.shuffled:
        values = np.array([row.uar for row in target.shuffled.layers])
        spread = np.array([row.deviation for row in target.shuffled.layers])
        band = (values - spread, values + spread)
        curve(axes, layers, values, f"{prefix}shuffled labels", band, **SHUFFLED)


def _mark_best(axes: Axes, target: TargetResult, look: dict[str, Any]) -> None:
    """White points on layers that differ from the best, a ring about the best."""
    best = target.best
    ring = {**look, "mec": look["color"], "mew": 1, "clip_on": False, "zorder": 3, "ls": ""}
    for index, (layer, row) in enumerate(zip(target.numbers, target.layers, strict=True)):
        if index not in best.equals:
            axes.plot(layer, row.scores.uar, **ring | {"mfc": "white"})
        if index == best.index:
            axes.plot(layer, row.scores.uar, **ring | {"mfc": "none", "ms": 9, "marker": "o"})


def training_figure(histories: "Sequence[History]", chance: float) -> Figure:
    """Loss, accuracy and UAR by epoch: mean over the folds, band of one deviation."""
    figure, shown = panels(1, len(SCORES), PAGE, 2.3)
    for axes, (score, words) in zip(shown, SCORES.items(), strict=True):
        for part, (label, colour) in PARTS.items():
            if any(f"{part}_loss" in history for history in histories):
                mean, deviation = _over_folds(histories, f"{part}_{score}")
                band = (mean - deviation, mean + deviation)
                curve(axes, range(1, len(mean) + 1), mean, label, band, color=colour)
        axes.set(title=words, xlabel="epoch", ylim=(0, None if score == "loss" else 1.03))
        axes.margins(x=0)
    shown[-1].axhline(chance, label="chance", **CHANCE)
    return legend(figure)


def _over_folds(histories: "Sequence[History]", name: str) -> npt.NDArray[np.float64]:
    """(2, epoch) mean and standard deviation over the folds that still train."""
    curves = [history[name] for history in histories if name in history]
    padded = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, values in zip(padded, curves, strict=True):
        row[: len(values)] = values
    return np.stack([np.nanmean(padded, 0), np.nanstd(padded, 0)])


def weights_figure(weights: "Mapping[int, Spread]") -> Figure:
    """The weight of each hidden layer in the mix: mean over the folds, bar of one deviation."""
    figure, (axes,) = panels(1, 1, PAGE, 2.4)
    means = [row.mean for row in weights.values()]
    deviations = [row.deviation for row in weights.values()]
    axes.bar(list(weights), means, yerr=deviations, width=0.7, color=BLUE, ecolor=SOFT)
    axes.axhline(1 / len(weights), label="equal shares, as before training", **CHANCE)
    along_layers(axes)
    axes.set(ylabel="share of the mix", ylim=(0, None))
    return legend(figure)


def levels_figure(
    runs: "Mapping[str, Sequence[Row]]", kinds: Sequence[str], chance: float
) -> Figure:
    """A panel for each kind of condition: UAR of each run over its levels.

    Args:
        runs: name → rows, of which the first is that of clean speech.
        kinds: of conditions.
        chance: UAR of guessing.
    """
    figure, every = grid(len(kinds), 3, 0.3, 1.8)
    for axes, kind in zip(every, kinds, strict=True):
        for number, (name, (clean, *others)) in enumerate(runs.items()):
            rows = [row for row in others if row.group.kind == kind]
            levels = [row.group.level or 0.0 for row in rows]
            look, banded = series(number), number == 0 or len(runs) <= FEW
            _scores(axes, levels, rows, name, banded=banded, **look)
            axes.axhline(clean.scores.uar, **CLEAN_LINE | {"color": look["color"]})
        axes.axhline(chance, label="chance", **CHANCE)
        axes.set_title(wrapped([kind], 24)[0])
        axes.set(xlabel=UNITS.get(kind.partition(":")[0], "level"), ylim=(0, top(runs)))
        axes.set_ylabel(leftmost(axes, "UAR"))
        axes.set_xticks(levels[:: -(-len(levels) // 5)])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    return legend(figure, [entry("clean speech", **CLEAN_LINE)])


def robust_layers_figure(
    layers: Sequence[int], counts: Counts, chosen: Sequence[int], chance: float
) -> Figure:
    """UAR of each layer in clean speech and in all conditions.

    Args:
        layers: their numbers.
        counts: (unit, layer, group, truth, prediction); the first group is clean speech, the last
            all conditions.
        chosen: layer of each fold.
        chance: UAR of guessing.
    """
    figure, (axes,) = panels(1, 1, PAGE, 2.8)
    for number, (group, name) in enumerate(((0, "clean speech"), (-1, "all conditions"))):
        look, some = series(number), counts[:, :, group]
        band = intervals.of_score(some)
        scores = uar(some.sum(0))
        curve(axes, layers, scores, name, None if np.isnan(band).any() else band, **look)
    for layer in sorted({*chosen}):
        share = chosen.count(layer) / len(chosen)
        axes.plot(layer, scores[list(layers).index(layer)], "o", mfc="none", color=look["color"],
                  ms=5 + 11 * share**0.5, clip_on=False)  # fmt: skip
    axes.axhline(chance, label="chance", **CHANCE)
    along_layers(axes)
    axes.set(ylabel="UAR", ylim=(0, min(1.01, 1.05 * axes.dataLim.y1)))
    circle = {"color": look["color"], "marker": "o", "mfc": "none", "ms": 8, "ls": ""}
    return legend(figure, [entry("chosen by training parts", **circle)])


def transfer_layers_figure(found: "Transfer") -> Figure:
    """Mean UAR within and across corpora over the layers, of each encoder."""
    figure, (axes,) = panels(1, 1, PAGE, 3.0)
    for number, (name, of) in enumerate(found.curves.items()):
        for kind, dashes in ((WITHIN, "-"), (ACROSS, "--")):
            values = of.mean(found.matrix.cells, kind)
            if values is not None:
                label = f"{kind} corpora" if len(found.curves) == 1 else f"{name}, {kind}"
                curve(axes, of.layers, values, label, ls=dashes, **series(number))
    chance = float(np.mean([one.chance for one in found.first.tested if one.cell.kind == ACROSS]))
    axes.axhline(chance, label=f"chance across: {chance:.3f}", **CHANCE)
    along_layers(axes)
    axes.set(ylabel="mean UAR", ylim=(0, None))
    return legend(figure)
