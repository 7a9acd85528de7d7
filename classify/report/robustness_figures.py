"""Figures of a robustness study: levels, conditions, and layers in each condition."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from classify.report.elements import (
    CHANCE,
    curve,
    entry,
    heat_map,
    height_of,
    legend,
    wrapped,
)
from classify.report.style import (
    DASHED,
    MARKERS,
    PAGE,
    PALETTE,
    SEQUENTIAL,
    SOFT,
    Illustration,
    panels,
    write,
)
from classify.robustness.design import CLEAN, CONDITION, Row, Scored
from classify.robustness.result import Robustness, title
from classify.stats import intervals
from classify.stats.metrics import uar
from data.cache.recipe import in_words

ACROSS = 3  # panels in a row
FEW = 3  # runs; of more, only the first has a band
CLEAN_LINE: dict[str, Any] = {"lw": 0.8, "ls": DASHED}
SHOWN = (CLEAN, CONDITION)
UNITS = {"noise": "SNR in dB", "reverb": "RT60 in s", "gain": "gain in dB", "mp3": "kbit/s",
         "opus": "kbit/s", "clip": "share clipped", "speed": "speed", "crop": "samples",
         "lowpass": "Hz", "highpass": "Hz"}  # fmt: skip


def draw(found: Robustness, folder: Path) -> list[Illustration]:
    """Write the figures into `folder`."""
    planned = []
    if levels := {kind: groups for kind, groups in found.kinds.items() if len(groups) > 1}:
        planned.append(Illustration(
            "levels", "UAR by level", "UAR at each level of a kind of condition, with 95 % "
            "intervals over the speakers. Dashed: clean speech; dotted: chance.",
            partial(levels_figure, named_runs(found), [*levels], found.chance),
        ))  # fmt: skip
    planned.append(Illustration(
        "conditions", "UAR by condition", "UAR in each condition, with 95 % intervals over the "
        "speakers. Dashed: clean speech, of the first; dotted: chance.",
        partial(conditions_figure, named_runs(found), found.chance),
    ))  # fmt: skip
    if found.layers:
        names = [group.name for group in found.design.groups]
        scores = found.layers.uar.T
        some = [n for n, group in enumerate(found.design.groups) if group.what in SHOWN]
        numbers, chosen = found.layers.layers, [found.layers.layers[n] for n in found.layers.chosen]
        planned += [
            Illustration(
                "layer_means", "Layers", "UAR of each layer in clean speech and in all conditions, "
                f"by {found.layers.head} trained on clean speech, with 95 % intervals over the "
                "speakers. Circles: the layer that the training part of a fold chooses; their area "
                "is the share of the folds.",
                partial(layers_figure, numbers, found.layers.counts, chosen, found.chance),
            ),
            Illustration(
                "condition_layers", "Layers in each condition", "UAR of each layer in each "
                "condition, by the same heads. Colours begin at chance.",
                partial(heat_figure, scores[some], [names[n] for n in some], numbers,
                        found.chance),
            ),
        ]  # fmt: skip
    return write(planned, folder, f"Robustness of {in_words(found.recipe)}")


def named_runs(found: Robustness) -> dict[str, Scored]:
    """Name → scores of the runs."""
    return {title(run): run.scored for run in found.runs}


def levels_figure(runs: dict[str, Scored], kinds: Sequence[str], chance: float) -> Figure:
    """A panel for each kind of condition: UAR of each run over its levels."""
    across, top = min(ACROSS, len(kinds)), _top(runs)
    down = -(-len(kinds) // across)
    figure, every = panels(down, across, PAGE, 0.3 + 1.8 * down)
    for number, (axes, kind) in enumerate(zip(every, kinds, strict=False)):
        for place, scored in enumerate(runs.values()):
            rows = [row for row in scored.of(CONDITION) if row.group.kind == kind]
            levels = [row.group.level or 0.0 for row in rows]
            look = _look(place)
            curve(
                axes,
                levels,
                [row.scores.uar for row in rows],
                band=_band(rows) if place == 0 or len(runs) <= FEW else None,
                clip_on=False,
                **look,
            )
            axes.axhline(scored.row(CLEAN).scores.uar, color=look["color"], **CLEAN_LINE)
        axes.axhline(chance, **CHANCE)
        axes.set_title(wrapped([kind], 24)[0])
        axes.set(xlabel=UNITS.get(kind.partition(":")[0], "level"), ylim=(0, top),
                 ylabel="UAR" if number % across == 0 else "")  # fmt: skip
        axes.set_xticks(levels[:: -(-len(levels) // 5)])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    for axes in every[len(kinds) :]:
        axes.set_axis_off()
    legend(figure, [*_entries(runs), *_marks()])
    return figure


def conditions_figure(runs: dict[str, Scored], chance: float) -> Figure:
    """The UAR of each run in clean speech and in each condition, with its interval."""
    first = next(iter(runs.values()))
    names = wrapped([row.group.name for row in first.rows if row.group.what in SHOWN])
    height = max(1.25 * height_of(names), 0.09 * (len(runs) + 1))
    figure, (axes,) = panels(1, 1, PAGE, 0.6 + height * max(3, len(names)))
    for place, scored in enumerate(runs.values()):
        look = _look(place)
        offset = (place - (len(runs) - 1) / 2) * 0.7 / len(runs)
        rows = [row for row in scored.rows if row.group.what in SHOWN]
        for number, row in enumerate(rows):
            y = number + offset
            if row.scores.interval:
                axes.plot(row.scores.interval, [y, y], color=look["color"], lw=1.2, alpha=0.45)
            axes.plot(row.scores.uar, y, look["marker"], color=look["color"], ms=4, clip_on=False)
    axes.axvline(first.row(CLEAN).scores.uar, color=_look(0)["color"], **CLEAN_LINE)
    axes.axvline(chance, **CHANCE)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="UAR", xlim=(0, _top(runs)), ylim=(len(names) - 0.5, -0.5))
    legend(figure, [*_entries(runs), *_marks()])
    return figure


def layers_figure(
    layers: Sequence[int], counts: np.ndarray, chosen: Sequence[int], chance: float
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
    entries = []
    for number, (group, name) in enumerate(((0, "clean speech"), (-1, "all conditions"))):
        look, some = _look(number), counts[:, :, group]
        band = intervals.of_score(some)
        scores = uar(some.sum(0))
        curve(axes, layers, scores, band=None if np.isnan(band).any() else band, **look)
        entries.append(entry(name, **look))
    for layer in sorted({*chosen}):
        share = chosen.count(layer) / len(chosen)
        axes.plot(layer, scores[list(layers).index(layer)], "o", mfc="none", color=look["color"],
                  ms=5 + 11 * share**0.5, clip_on=False)  # fmt: skip
    axes.axhline(chance, **CHANCE)
    entries += [
        entry("chosen by training parts", look["color"], marker="o", mfc="none", ms=8, ls=""),
        entry("chance", **CHANCE),
    ]
    top = min(1.01, 1.05 * axes.dataLim.y1)
    axes.set(xlabel="hidden layer", ylabel="UAR", ylim=(0, top))
    axes.xaxis.set_major_locator(MaxNLocator(13, integer=True))
    legend(figure, entries)
    return figure


def heat_figure(
    scores: np.ndarray, names: Sequence[str], layers: Sequence[int], chance: float
) -> Figure:
    """UAR (condition, layer) as a heat map."""
    figure, axes = heat_map(
        scores, names, [*map(str, layers)], "UAR", low=chance, colours=SEQUENTIAL,
        high=max(float(np.nanmax(scores)), chance + 0.01),
    )  # fmt: skip
    axes.set(xlabel="hidden layer")
    return figure


def _top(runs: dict[str, Scored]) -> float:
    """Upper limit of an axis of UAR."""
    rows = [row for scored in runs.values() for row in scored.rows]
    return min(1.01, 1.05 * max((row.scores.interval or [0, row.scores.uar])[1] for row in rows))


def _band(rows: Sequence[Row]) -> tuple[list[float], list[float]] | None:
    pairs = [row.scores.interval for row in rows]
    if None in pairs:
        return None
    return [pair[0] for pair in pairs if pair], [pair[1] for pair in pairs if pair]


def _look(number: int) -> dict[str, Any]:
    colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
    return {"color": colour, "marker": marker, "ms": 4}


def _entries(runs: dict[str, Scored]) -> list[Line2D]:
    return [entry(name, **_look(number)) for number, name in enumerate(runs)]


def _marks() -> list[Line2D]:
    return [entry("clean speech", SOFT, **CLEAN_LINE), entry("chance", **CHANCE)]
