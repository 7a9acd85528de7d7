"""Figures of tables: similarities, confusions, recalls; and of scores by speaker."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import seaborn
from matplotlib.figure import Figure

from classify.report.elements import (
    CHANCE,
    LINE,
    LONG,
    entry,
    heat_map,
    height_of,
    legend,
    width_of,
    wrapped,
)
from classify.report.style import (
    BLUE,
    DASHED,
    FAINT,
    MARKERS,
    PAGE,
    PALETTE,
    SEQUENTIAL,
    SHARES,
    panels,
)
from classify.stats.metrics import Counts, recall

if TYPE_CHECKING:
    from classify.probing.maps import LayerMaps
    from classify.probing.result import LayerScores, NestedScores
    from classify.probing.similarity import Similarity
    from classify.probing.targets import Task

ACROSS = 4  # panels in a row
TITLE = 14  # characters of a panel's title
MANY_ROWS = 40  # speakers; the names of more are not legible
MANY_KEYS = 30  # groups in a map; the names of more are not shown


def similarity_figure(similarity: "Similarity") -> Figure:
    """Linear CKA of layers with layers, as a heat map."""
    values = similarity.values
    bottom = max(0.0, np.floor(10 * np.nanmin(values, initial=1.0)) / 10)
    rows, columns = (list(map(str, layers)) for layers in similarity.layers)
    figure, axes = heat_map(
        values, rows, columns, "linear CKA, debiased", min(bottom, 0.9), SEQUENTIAL
    )
    axes.invert_yaxis()
    own = similarity.encoders[0] == similarity.encoders[1]
    whose = ["hidden layer"] * 2 if own else [f"layer of {name}" for name in similarity.encoders]
    axes.set(ylabel=wrapped([whose[0]], 30)[0], xlabel=wrapped([whose[1]], 40)[0])
    return figure


def confusion_figure(table: Counts, classes: Sequence[str]) -> Figure:
    """Shares of each true class, of which the diagonal is the recall, above the counts."""
    support = table.sum(1, keepdims=True)
    names = [f"{name} ({n})" for name, n in zip(classes, support[:, 0], strict=True)]
    shares = table / np.maximum(support, 1)
    figure, axes = heat_map(shares, names, classes, "share of the true class", counts=table)
    axes.set(xlabel="predicted", ylabel="true (utterances)")
    return figure


def fold_confusions_figure(tables: Mapping[str, Counts], classes: Sequence[str]) -> Figure:
    """Shares of each true class in each fold (title → confusion matrix), without their numbers."""
    columns = min(ACROSS, len(tables))
    rows = -(-len(tables) // columns)
    names = wrapped(classes, LONG - 4, lines=1)
    side = (PAGE - width_of(names)) / ACROSS - 0.15
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


def recall_figure(rows: "Sequence[LayerScores]") -> Figure:
    """Recall of each class on each layer, as a heat map."""
    values = np.stack([recall(row.scores.confusion) for row in rows], axis=1)
    names = [f"{name} ({count})" for name, count in rows[0].scores.support.items()]
    figure, axes = heat_map(values, names, [str(row.layer) for row in rows], "recall")
    axes.set(xlabel="hidden layer", ylabel="class (utterances)")
    return figure


def speakers_figure(nested: "NestedScores", chance: float) -> Figure:
    """UAR of each speaker, from lowest to highest."""
    speakers = sorted(nested.per_speaker.items(), key=lambda item: -item[1].uar)
    overall = nested.scores.uar
    names, places = wrapped(_short([name for name, _ in speakers])), range(len(speakers))
    values = [scores.uar for _, scores in speakers]
    shown = min(MANY_ROWS, max(4, len(names)))
    high = height_of(names) if len(names) <= MANY_ROWS else LINE
    figure, (axes,) = panels(1, 1, PAGE, 0.6 + 1.15 * high * shown)
    axes.hlines(places, 0, values, color=BLUE, lw=0.8, alpha=0.4)
    seaborn.stripplot(x=values, y=list(places), orient="h", ax=axes, color=BLUE, size=5,
                      jitter=False, clip_on=False)  # fmt: skip
    axes.axvline(overall, color=BLUE, lw=0.8, ls=DASHED)
    axes.axvline(chance, **CHANCE)
    axes.set_yticks(places, names if len(names) <= MANY_ROWS else [""] * len(names))
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="UAR", ylabel="speaker", xlim=(0, 1.01))
    legend(figure, [entry(f"all utterances: {overall:.3f}", BLUE, lw=0.8, ls=DASHED),
                    entry(f"chance: {chance:.3f}", **CHANCE)])  # fmt: skip
    return figure


def maps_figure(layer: "LayerMaps", task: "Task") -> Figure:
    """Maps of one layer: a row coloured by class, a row coloured by speaker."""
    count = len(layer.maps)
    figure, every = panels(2, count, PAGE, 4.6)
    voices, speakers = np.unique(task.selection.speakers.astype(str), return_inverse=True)
    colourings = (
        (task.y, task.classes, task.target),
        (speakers, _short(voices.tolist()), "speaker"),
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


def _short(speakers: Sequence[str]) -> list[str]:
    """Names without their corpus, where it is the same for all.

    >>> _short(["emodb/03", "emodb/08"]), _short(["emodb/03", "tess/03"])
    (['03', '08'], ['emodb/03', 'tess/03'])
    """
    if len({name.partition("/")[0] for name in speakers}) > 1:
        return list(speakers)
    return [name.partition("/")[2] or name for name in speakers]
