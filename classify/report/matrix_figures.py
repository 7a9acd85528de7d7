"""Figures of tables: similarities, confusions, recalls; and of scores by speaker."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.report.style import (
    BLACK,
    BLUE,
    MARKERS,
    PAGE,
    PALETTE,
    SEQUENTIAL,
    SHARES,
    panels,
)

if TYPE_CHECKING:
    from classify.probe.geometry import LayerMaps
    from classify.probe.result import TargetResult
    from classify.probe.similarity import Similarity

Json = dict[str, Any]
Table = npt.NDArray[np.floating]

MANY_CELLS = 15  # in a row; of more the numbers would not be legible
MANY_ROWS = 40  # speakers; of more the names would not be
MANY_KEYS = 26  # names beside a map


def similarity_figure(similarity: "Similarity") -> Figure:
    """Linear CKA of layers with layers, as a heat map."""
    figure, (axes,) = panels(1, 1, 4.6, 4.0)
    values = similarity.values
    bottom = max(0.0, np.floor(10 * np.nanmin(values, initial=1.0)) / 10)
    rows, columns = (list(map(str, layers)) for layers in similarity.layers)
    image = _heat(axes, values, rows, columns, low=min(bottom, 0.9))
    axes.invert_yaxis()
    own = similarity.encoders[0] == similarity.encoders[1]
    whose = ["hidden layer"] * 2 if own else [f"layer of {name}" for name in similarity.encoders]
    axes.set(ylabel=whose[0], xlabel=whose[1])
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
    bar.set_label("linear CKA, debiased")
    bar.outline.set_linewidth(0)
    return figure


def confusion_figure(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Shares of each true class, the diagonal being its recall."""
    table = np.array(counts, float)
    support = table.sum(1, keepdims=True)
    side = 1.5 + 0.42 * len(classes)
    figure, (axes,) = panels(1, 1, min(PAGE, side + 0.6), min(PAGE, side))
    names = [f"{name} ({int(n)})" for name, n in zip(classes, support[:, 0], strict=True)]
    image = _heat(axes, table / np.maximum(support, 1), names, list(classes), colours=SHARES)
    axes.set_xticklabels(classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set(xlabel="predicted", ylabel="true (utterances)")
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
    bar.set_label("share of the true class")
    bar.outline.set_linewidth(0)
    return figure


def recall_figure(target: Json) -> Figure:
    """Recall of each class on each layer, as a heat map."""
    rows, classes = target["layers"], target["classes"]
    values = np.array([[row["per_class"][name]["recall"] for row in rows] for name in classes])
    width = min(PAGE, 2.0 + 0.4 * len(rows))
    figure, (axes,) = panels(1, 1, width, 0.9 + 0.3 * len(classes))
    names = [f"{name} ({target['support'][name]})" for name in classes]
    image = _heat(axes, values, names, [str(row["layer"]) for row in rows], colours=SHARES)
    axes.set(xlabel="hidden layer", ylabel="class (utterances)")
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("recall")
    bar.outline.set_linewidth(0)
    return figure


def speakers_figure(row: Json, chance: float) -> Figure:
    """UAR of each speaker, from lowest to highest."""
    speakers = sorted(row["per_speaker"].items(), key=lambda item: item[1]["uar"])
    names = _short([name for name, _ in speakers])
    values = [score["uar"] for _, score in speakers]
    figure, (axes,) = panels(1, 1, PAGE * 0.72, 0.8 + 0.15 * min(MANY_ROWS, max(8, len(names))))
    axes.hlines(range(len(names)), 0, values, color=BLUE, lw=0.6, alpha=0.4)
    axes.plot(values, range(len(names)), "o", color=BLUE, clip_on=False)
    axes.axvline(row["uar"], color=BLUE, lw=0.8, ls=(0, (4, 2)))
    axes.axvline(chance, color=BLACK, lw=0.7, ls=(0, (1, 2)))
    for place, words, colour in ((row["uar"], "all", BLUE), (chance, "chance", BLACK)):
        axes.annotate(words, (place, 1), xycoords=axes.get_xaxis_transform(), ha="center",
                      va="bottom", color=colour, fontsize=7)  # fmt: skip
    axes.set_yticks(range(len(names)), names if len(names) <= MANY_ROWS else [""] * len(names))
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="UAR", ylabel="speaker", xlim=(0, 1.01), ylim=(-0.7, len(names) - 0.3))
    return figure


def maps_figure(layer: "LayerMaps", target: "TargetResult") -> Figure:
    """Maps of one layer: a row coloured by class, a row coloured by speaker."""
    count = len(layer.maps)
    figure, every = panels(2, count, PAGE, 5.4)
    speakers = np.unique(target.speakers.astype(str), return_inverse=True)[1]
    voices = sorted(set(target.speakers.astype(str)))
    colourings = (
        (target.y, target.classes, target.name),
        (speakers, _short(voices), "speaker"),
    )
    for row, (groups, names, title) in enumerate(colourings):
        for column, each in enumerate(layer.maps):
            axes = every[row * count + column]
            _scatter(axes, each.points, groups[each.rows])
            axes.set(xlabel=each.axes[0], ylabel=each.axes[1], xticks=[], yticks=[])
            shown = " (held-out speakers)" if each.kind == "LDA" else ""
            axes.set_title(f"{each.kind}{shown}" if row == 0 else "", pad=4)
        _key(figure, every[row * count + count - 1], names, title)
    return figure


def _heat(
    axes: Axes,
    values: Table,
    rows: Sequence[str],
    columns: Sequence[str],
    low: float = 0.0,
    colours: str = SEQUENTIAL,
) -> Any:
    """A heat map of values up to 1, with its numbers in it, if they are legible."""
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=1, aspect="auto")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(columns) <= MANY_CELLS:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value) and (value or colours != SHARES):
                red, green, blue, _ = image.cmap((value - low) / (1 - low))
                bright = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
                words = f"{value:.2f}".replace("0.", ".").replace("-", "−")
                axes.text(column, row, words, ha="center", va="center", fontsize=6,
                          color=BLACK if bright else "white")  # fmt: skip
    return image


def _scatter(axes: Axes, points: Table, groups: npt.NDArray[np.intp]) -> None:
    """Points in the colours of their groups; beyond as many as there are, in other shapes too."""
    for group in np.unique(groups):
        axes.plot(*points[groups == group].T, _marker(group), color=_colour(group), ms=2.6,
                  mew=0.25, mec="white", alpha=0.9, ls="")  # fmt: skip


def _key(figure: Figure, axes: Axes, names: Sequence[str], title: str) -> None:
    if len(names) > MANY_KEYS:
        title, names = f"{len(names)} {title}s", ["…"]
    for group, name in enumerate(names):
        axes.plot([], [], _marker(group), color=_colour(group), ms=4, ls="", label=name)
    axes.legend(title=title, loc="center left", bbox_to_anchor=(1.02, 0.5), title_fontsize=7,
                ncols=1 if len(names) <= 12 else 2, handletextpad=0.1, columnspacing=0.6,
                fontsize=6.5)  # fmt: skip


def _short(speakers: Sequence[str]) -> list[str]:
    """Names without their corpus, where it is the same for all.

    >>> _short(["emodb/03", "emodb/08"]), _short(["emodb/03", "tess/03"])
    (['03', '08'], ['emodb/03', 'tess/03'])
    """
    if len({name.partition("/")[0] for name in speakers}) > 1:
        return list(speakers)
    return [name.partition("/")[2] or name for name in speakers]


def _colour(group: int) -> str:
    return PALETTE[group % len(PALETTE)]


def _marker(group: int) -> str:
    return MARKERS[group // len(PALETTE) % len(MARKERS)]
