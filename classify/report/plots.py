"""Figures of a cross-validation, as PNG: confusion matrix, F1 of each class, training curves."""

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classify.run import Run
from data.publish import publish_bytes

DPI = 150
TRAIN, HELDOUT, CHANCE = "#7a8793", "#0b6e99", "#b3402a"


def draw(run: Run, folder: Path) -> dict[str, Path]:
    """Write the figures of `run` into `folder`: caption → file. Curves only where it has epochs."""
    figures = {
        "Confusion matrix": ("confusion.png", confusion_figure(run)),
        "F1 of each class": ("f1.png", f1_figure(run)),
    }
    if run.result.histories:
        figures["Training curves"] = ("curves.png", curves_figure(run))
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
    """Loss, accuracy and held-out UAR by epoch: mean over the folds, band of one deviation."""
    figure, (loss, accuracy, uar) = _figure(run, 3, 13, 4)
    histories = {
        name: np.array([history[name] for history in run.result.histories])
        for name in run.result.histories[0]
    }
    for axes, score in ((loss, "loss"), (accuracy, "accuracy"), (uar, "uar")):
        _band(axes, histories, f"train_{score}", "train", TRAIN)
        _band(axes, histories, f"heldout_{score}", "held out", HELDOUT)
        axes.set_xlabel("epoch")
        axes.margins(x=0)
    loss.set(title="cross-entropy (nats)", ylim=(0, None))
    accuracy.set(title="accuracy", ylim=(0, 1.03))
    uar.set(title="UAR of the held-out fold", ylim=(0, 1.03))
    uar.axhline(run.metrics["chance"], color=CHANCE, linestyle=":", label="chance")
    for axes in (loss, accuracy, uar):
        axes.legend(framealpha=0.8, edgecolor="none")
    return figure


def _figure(run: Run, panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Panels in inches, under a title that says what was scored, how well, and against what."""
    with sns.plotting_context("notebook"), sns.axes_style("ticks"):
        figure, axes = plt.subplots(
            1, panels, figsize=(width, height), layout="constrained", squeeze=False
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
    return figure, list(axes[0])


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


def _band(
    axes: Axes, histories: Mapping[str, np.ndarray], name: str, label: str, color: str
) -> None:
    if name not in histories:
        return
    curves = histories[name]  # (fold, epoch)
    epochs = np.arange(1, curves.shape[1] + 1)
    mean, deviation = curves.mean(0), curves.std(0)
    axes.plot(epochs, mean, color=color, label=label)
    axes.fill_between(epochs, mean - deviation, mean + deviation, color=color, alpha=0.2, lw=0)
