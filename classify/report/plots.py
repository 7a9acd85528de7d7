"""Figures of a cross-validation, as PNG: confusion matrix, F1 of each class, training curves."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.evaluation.crossvalidate import History
from classify.evaluation.run import Run
from classify.report.style import (
    BLACK,
    BLUE,
    ORANGE,
    PAGE,
    SHARES,
    SOFT,
    VERMILION,
    entitle,
    panels,
    style,
)
from data.atomic import publish_bytes

log = logging.getLogger("wav2emo")


def draw(run: Run, folder: Path, chosen: str | None = None) -> dict[str, Path]:
    """Write the figures of `run` into `folder`: caption → file. Those that it has no numbers for
    are left out.

    Args:
        run: what to draw.
        folder: where to.
        chosen: id of the utterance whose attention is drawn; None: the surest of each class.
    """
    with style():
        figures = _figures(run, chosen)
    for name, figure in figures.values():
        image = io.BytesIO()
        with style():
            figure.savefig(image, format="png", metadata={"Software": None})
        publish_bytes(folder / name, image.getvalue())
    return {caption: folder / name for caption, (name, _) in figures.items()}


def _figures(run: Run, chosen: str | None) -> dict[str, tuple[str, Figure]]:
    """Caption → file name and figure."""
    figures = {
        "Confusion matrix": ("confusion.png", confusion_figure(run)),
        "F1 of each class": ("f1.png", f1_figure(run)),
    }
    if run.result.histories:
        figures["Training curves"] = ("curves.png", curves_figure(run))
    if run.layer_weights is not None:
        figures["Layer weights"] = ("layers.png", layers_figure(run))
    if run.attention is not None and (rows := _attended(run, chosen)):
        figures["Attention"] = ("attention.png", attention_figure(run, run.attention, rows))
    return figures


def confusion_figure(run: Run) -> Figure:
    """Counts, and shares of each true class, side by side."""
    counts = np.array(run.metrics["confusion"])
    shares = counts / counts.sum(1, keepdims=True)
    size = 0.9 + 0.36 * len(counts)
    figure, (left, right) = _figure(run, 2, 2 * size + 0.6, size + 0.9)
    _heatmap(left, counts, [f"{n}" for n in counts.ravel()], run.dataset.classes)
    _heatmap(right, shares, [f"{share:.2f}" for share in shares.ravel()], run.dataset.classes)
    left.set(title="utterances", xlabel="predicted", ylabel="true")
    right.set(title="share of the true class (diagonal: recall)", xlabel="predicted")
    return figure


def f1_figure(run: Run) -> Figure:
    """F1 of each class as bars, the best on top, with their macro average."""
    rows = sorted(run.metrics["per_class"].items(), key=lambda item: item[1]["f1"])
    names = [f"{name} ({row['support']})" for name, row in rows]
    values = [row["f1"] for _, row in rows]
    figure, (axes,) = _figure(run, 1, 4.6, 1.1 + 0.24 * len(rows))
    bars = axes.barh(names, values, color=BLUE, height=0.65)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=7)
    macro = run.metrics["f1_macro"]
    axes.axvline(macro, color=SOFT, linestyle="--", linewidth=0.8, zorder=0)
    at = axes.get_xaxis_transform()  # x in data, y in shares of the axes
    words = f"macro {macro:.2f}"
    axes.text(macro, 1, words, transform=at, ha="center", va="bottom", color=SOFT, fontsize=7)
    axes.set(xlim=(0, 1), xlabel="F1 (in brackets: utterances)")
    return figure


def curves_figure(run: Run) -> Figure:
    """Loss, accuracy and UAR by epoch: mean over the folds, band of one deviation."""
    figure, shown = _figure(run, 3, PAGE, 2.4)
    for axes, score in zip(shown, ("loss", "accuracy", "uar"), strict=True):
        _band(axes, run.result.histories, f"train_{score}", "train", SOFT)
        _band(axes, run.result.histories, f"stop_{score}", "held out to stop by", ORANGE)
        _band(axes, run.result.histories, f"heldout_{score}", "test fold", BLUE)
        axes.set_xlabel("epoch")
        axes.margins(x=0)
    loss, accuracy, uar = shown
    loss.set(title="cross-entropy (nats)", ylim=(0, None))
    accuracy.set(title="accuracy", ylim=(0, 1.03))
    uar.set(title="UAR", ylim=(0, 1.03))
    uar.axhline(run.metrics["chance"], color=VERMILION, linestyle=":", label="chance")
    for axes in shown:
        axes.legend()
    return figure


def layers_figure(run: Run) -> Figure:
    """How much of the mix each hidden layer is: mean over the folds, bar of one deviation."""
    weights = run.metrics["layer_weights"]
    figure, (axes,) = _figure(run, 1, 4.6, 2.4)
    means = [row["mean"] for row in weights.values()]
    deviations = [row["deviation"] for row in weights.values()]
    axes.bar(list(weights), means, yerr=deviations, color=BLUE, ecolor=SOFT, width=0.7)
    axes.axhline(1 / len(weights), color=VERMILION, linestyle=":", label="where it began")
    axes.set(xlabel="hidden layer", ylabel="share of the mix", ylim=(0, None))
    axes.legend()
    return figure


def _attended(run: Run, chosen: str | None) -> list[int]:
    """The utterances whose attention is drawn."""
    ids = run.dataset.utterances["id"]
    if chosen is None or chosen in ids.to_numpy():
        return run.surest() if chosen is None else np.flatnonzero(ids == chosen).tolist()
    log.warning("no utterance %s; ids are like %s: the surest are drawn", chosen, ids.iloc[0])
    return run.surest()


def attention_figure(run: Run, attention: npt.NDArray[np.float64], rows: Sequence[int]) -> Figure:
    """What the head attends to in some utterances, over time or over layers."""
    data = run.dataset
    columns = min(2, len(rows))
    lines = -(-len(rows) // columns)
    figure, shown = _figure(run, columns, PAGE / 2 * columns, 0.4 + 1.1 * lines, lines)
    over_time = data.features.sequences
    step = 1 / data.recipe["sequence_rate"] if over_time else 1
    for axes, row in zip(shown, rows, strict=False):
        weights = attention[row]
        weights = weights[: int(np.flatnonzero(np.isfinite(weights))[-1]) + 1]
        places = np.arange(len(weights)) * step
        axes.bar(places, weights, step * 0.92, align="edge" if over_time else "center", color=BLUE)
        axes.axhline(1 / len(weights), color=VERMILION, linestyle=":")
        said = data.classes[run.result.by_seed[0, row].argmax()]
        name, truth = data.utterances["id"].iloc[row], data.truth[row]
        axes.set_title(f"{name}: {truth}" + (f", taken for {said}" if said != truth else ""))
        axes.set(ylim=(0, None), xlabel="seconds" if over_time else "hidden layer")
    for axes in shown[len(rows) :]:
        axes.set_visible(False)
    return figure


def _figure(
    run: Run, columns: int, width: float, height: float, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Panels in inches, under a title that says what was scored, how well, and against what."""
    figure, axes = panels(rows, columns, width, height)
    scores = run.metrics
    entitle(figure, f"{run.title}: UAR {scores['uar']:.3f} (chance {scores['chance']:.3f})")
    return figure, axes


def _heatmap(
    axes: Axes, values: np.ndarray, words: Sequence[str], classes: tuple[str, ...]
) -> None:
    """A heat map with `words` in its cells, row by row."""
    axes.imshow(values, cmap=SHARES, vmin=0, vmax=max(1, values.max()))
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    dark = values > 0.6 * max(1, values.max())
    for (row, column), word in zip(np.ndindex(values.shape), words, strict=True):
        colour = "white" if dark[row, column] else BLACK
        axes.text(column, row, word, ha="center", va="center", fontsize=6, color=colour)


def _band(axes: Axes, histories: Sequence[History], name: str, label: str, color: str) -> None:
    """A curve's mean over the folds that still train, and its deviation."""
    curves = [history[name] for history in histories if name in history]
    if not curves:
        return
    padded = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    epochs = np.arange(1, padded.shape[1] + 1)
    mean, deviation = np.nanmean(padded, 0), np.nanstd(padded, 0)
    axes.plot(epochs, mean, color=color, label=label)
    axes.fill_between(epochs, mean - deviation, mean + deviation, color=color, alpha=0.2, lw=0)
