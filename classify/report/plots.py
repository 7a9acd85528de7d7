"""Figures of a cross-validation, as PNG: confusion matrix, F1 of each class, training curves."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.crossvalidate import History
from classify.run import Run
from data.publish import publish_bytes

DPI = 150

log = logging.getLogger("wav2emo")
TRAIN, STOP, HELDOUT, CHANCE = "#7a8793", "#b8860b", "#0b6e99", "#b3402a"


def draw(run: Run, folder: Path, chosen: str | None = None) -> dict[str, Path]:
    """Write the figures of `run` into `folder`: caption → file. Those that it has no numbers for
    are left out.

    Args:
        run: what to draw.
        folder: where to.
        chosen: id of the utterance whose attention is drawn; None: the surest of each class.
    """
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
    for name, figure in figures.values():
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
        plt.close(figure)
        publish_bytes(folder / name, image.getvalue())
    return {caption: folder / name for caption, (name, _) in figures.items()}


def confusion_figure(run: Run) -> Figure:
    """Counts, and shares of each true class, side by side."""
    counts = np.array(run.metrics["confusion"])
    shares = counts / counts.sum(1, keepdims=True)
    size = 1.8 + 0.62 * len(counts)
    figure, (left, right) = _figure(run, 2, 2 * size + 1.2, size + 1.1)
    _heatmap(left, counts, "d", None, run.dataset.classes)
    _heatmap(right, shares, ".2f", 1.0, run.dataset.classes)
    left.set(title="utterances", xlabel="predicted", ylabel="true")
    right.set(title="share of the true class (diagonal: recall)", xlabel="predicted", ylabel="")
    return figure


def f1_figure(run: Run) -> Figure:
    """F1 of each class as bars, the best on top, with their macro average."""
    rows = sorted(run.metrics["per_class"].items(), key=lambda item: item[1]["f1"])
    names = [f"{name} ({row['support']})" for name, row in rows]
    values = [row["f1"] for _, row in rows]
    figure, (axes,) = _figure(run, 1, 7, 1.5 + 0.42 * len(rows))
    bars = axes.barh(names, values, color=HELDOUT, height=0.65)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    macro = run.metrics["f1_macro"]
    axes.axvline(macro, color=TRAIN, linestyle="--", linewidth=1, zorder=0)
    axes.annotate(
        f"macro {macro:.2f}",
        (macro, 1),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="bottom",
        color=TRAIN,
        fontsize=10,
    )
    axes.set(xlim=(0, 1), xlabel="F1 (in brackets: utterances)")
    return figure


def curves_figure(run: Run) -> Figure:
    """Loss, accuracy and UAR by epoch: mean over the folds, band of one deviation."""
    figure, panels = _figure(run, 3, 13, 4)
    for axes, score in zip(panels, ("loss", "accuracy", "uar"), strict=True):
        _band(axes, run.result.histories, f"train_{score}", "train", TRAIN)
        _band(axes, run.result.histories, f"stop_{score}", "held out to stop by", STOP)
        _band(axes, run.result.histories, f"heldout_{score}", "test fold", HELDOUT)
        axes.set_xlabel("epoch")
        axes.margins(x=0)
    loss, accuracy, uar = panels
    loss.set(title="cross-entropy (nats)", ylim=(0, None))
    accuracy.set(title="accuracy", ylim=(0, 1.03))
    uar.set(title="UAR", ylim=(0, 1.03))
    uar.axhline(run.metrics["chance"], color=CHANCE, linestyle=":", label="chance")
    for axes in panels:
        axes.legend(framealpha=0.8, edgecolor="none")
    return figure


def layers_figure(run: Run) -> Figure:
    """How much of the mix each hidden layer is: mean over the folds, bar of one deviation."""
    weights = run.metrics["layer_weights"]
    figure, (axes,) = _figure(run, 1, 7, 3.4)
    means = [row["mean"] for row in weights.values()]
    deviations = [row["deviation"] for row in weights.values()]
    axes.bar(list(weights), means, yerr=deviations, color=HELDOUT, ecolor=TRAIN, width=0.7)
    axes.axhline(1 / len(weights), color=CHANCE, linestyle=":", label="where it began")
    axes.set(xlabel="hidden layer", ylabel="share of the mix", ylim=(0, None))
    axes.legend(framealpha=0.8, edgecolor="none")
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
    figure, panels = _figure(run, columns, 6.5 * columns, 0.6 + 1.9 * lines, lines)
    over_time = data.features.sequences
    step = 1 / data.recipe["sequence_rate"] if over_time else 1
    for axes, row in zip(panels, rows, strict=False):
        weights = attention[row]
        weights = weights[: int(np.flatnonzero(np.isfinite(weights))[-1]) + 1]
        places = np.arange(len(weights)) * step
        axes.bar(
            places, weights, step * 0.92, align="edge" if over_time else "center", color=HELDOUT
        )
        axes.axhline(1 / len(weights), color=CHANCE, linestyle=":")
        said = data.classes[run.result.by_seed[0, row].argmax()]
        name, truth = data.utterances["id"].iloc[row], data.truth[row]
        axes.set_title(f"{name}: {truth}" + (f", taken for {said}" if said != truth else ""))
        axes.set(ylim=(0, None), xlabel="seconds" if over_time else "hidden layer")
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    return figure


def _figure(
    run: Run, panels: int, width: float, height: float, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Panels in inches, under a title that says what was scored, how well, and against what."""
    with sns.plotting_context("notebook"), sns.axes_style("ticks"):
        figure, axes = plt.subplots(
            rows, panels, figsize=(width, height), layout="constrained", squeeze=False
        )
        scores = run.metrics
        figure.suptitle(
            f"{run.title}: UAR {scores['uar']:.3f} (chance {scores['chance']:.3f})",
            x=0.01,
            ha="left",
            fontsize=13,
            fontweight="bold",
        )
        sns.despine(figure)
    return figure, list(axes.ravel())


def _heatmap(
    axes: Axes, values: np.ndarray, fmt: str, top: float | None, classes: tuple[str, ...]
) -> None:
    sns.heatmap(
        values,
        annot=True,
        fmt=fmt,
        vmin=0,
        vmax=top,
        cmap="Blues",
        square=True,
        linewidths=0.5,
        cbar=False,
        xticklabels=classes,
        yticklabels=classes,
        ax=axes,
    )
    axes.tick_params(left=False, bottom=False)
    axes.set_xticklabels(classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(classes, rotation=0)


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
