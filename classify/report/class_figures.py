"""Figures of a cross-validation: confusion matrix, F1 of each class, training curves."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib.figure import Figure

from classify.evaluation.classes import ClassOutcome, Spread
from classify.evaluation.crossvalidate import History
from classify.evaluation.run import Run
from classify.report.elements import CHANCE, curve, entry, height_of, legend, wrapped
from classify.report.matrix_figures import confusion_figure
from classify.report.style import (
    BLUE,
    DASHED,
    ORANGE,
    PAGE,
    SOFT,
    Illustration,
    panels,
    write,
)
from classify.stats.scores import Scores

Steps = npt.NDArray[np.float64]  # (step,)

log = logging.getLogger("wav2emo")

PARTS = {"train": ("train", SOFT), "stop": ("held out for early stopping", ORANGE),
         "heldout": ("test fold", BLUE)}  # fmt: skip
SCORES = {"loss": "cross-entropy (nats)", "accuracy": "accuracy", "uar": "UAR"}


def draw(
    run: Run, outcome: ClassOutcome, folder: Path, chosen: str | None = None
) -> list[Illustration]:
    """Write the figures of `run` into `folder`, as far as it has numbers for them.

    Args:
        run: what to draw.
        outcome: of the run.
        folder: where to.
        chosen: id of the utterance whose attention is drawn; None: of each class the utterance
            recognised with the highest probability.
    """
    scores = outcome.scores
    planned = [
        Illustration(
            "confusion",
            "Confusion matrix",
            "Shares of each true class, and counts where there is room; the diagonal is the "
            "recall.",
            partial(confusion_figure, scores.confusion, scores.classes),
        ),
        Illustration(
            "f1",
            "F1 of each class",
            "In brackets: utterances.",
            partial(f1_figure, scores),
        ),
    ]
    if run.result.histories:
        words = (
            "Mean over the folds; the band is one standard deviation. Training scores are taken "
            "under dropout. The test fold is only observed: neither epoch nor parameters are "
            "chosen by it."
        )
        make = partial(curves_figure, run.result.histories, outcome.chance)
        planned.append(Illustration("curves", "Training curves", words, make))
    if outcome.layer_weights:
        words = "Share of each hidden layer in the mix: mean and one standard deviation over folds."
        make = partial(layers_figure, outcome.layer_weights)
        planned.append(Illustration("layers", "Layer weights", words, make))
    if run.attention is not None and (rows := _chosen(run, chosen)):
        words = "Attention weights of single utterances, by a head not trained on them."
        make = partial(attention_figure, *_attended(run, run.attention, rows))
        planned.append(Illustration("attention", "Attention", words, make))
    return write(planned, folder, run.title)


def f1_figure(scores: Scores) -> Figure:
    """F1 of each class as bars, the best on top, with their macro average."""
    rows = sorted(scores.per_class.items(), key=lambda item: -item[1].f1)
    macro = scores.values["f1_macro"]
    names = wrapped([f"{name} ({row.support})" for name, row in rows])
    values, places = [row.f1 for _, row in rows], list(range(len(rows)))
    figure, (axes,) = panels(1, 1, PAGE, 0.5 + 1.35 * height_of(names) * len(rows))
    seaborn.barplot(x=values, y=places, orient="h", ax=axes, color=BLUE, saturation=1, width=0.65)
    for place, value in enumerate(values):  # beside the axes, where no line crosses them
        axes.annotate(f"{value:.3f}", (1, place), (4, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip
    axes.axvline(macro, color=SOFT, ls=DASHED, lw=1)
    axes.set_yticks(places, names)
    axes.set(xlim=(0, 1), xlabel="F1", ylabel="")
    axes.tick_params(axis="y", length=0)
    legend(figure, [entry(f"macro average: {macro:.3f}", SOFT, ls=DASHED, lw=1)])
    return figure


def curves_figure(histories: Sequence[History], chance: float) -> Figure:
    """Loss, accuracy and UAR by epoch: mean over the folds, band of one deviation."""
    figure, shown = panels(1, len(SCORES), PAGE, 2.3)
    parts = {part: PARTS[part] for part in PARTS if any(f"{part}_loss" in h for h in histories)}
    for axes, (score, words) in zip(shown, SCORES.items(), strict=True):
        for part, (_, colour) in parts.items():
            mean, deviation = _over_folds(histories, f"{part}_{score}")
            epochs = np.arange(1, len(mean) + 1)
            curve(axes, epochs, mean, colour, (mean - deviation, mean + deviation))
        axes.set(title=words, xlabel="epoch", ylim=(0, None if score == "loss" else 1.03))
        axes.margins(x=0)
    shown[-1].axhline(chance, **CHANCE)
    entries = [entry(label, colour) for label, colour in parts.values()]
    legend(figure, [*entries, entry("chance", **CHANCE)])
    return figure


def _over_folds(histories: Sequence[History], name: str) -> npt.NDArray[np.float64]:
    """(2, epoch) mean and standard deviation over the folds that still train."""
    curves = [history[name] for history in histories if name in history]
    padded = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, values in zip(padded, curves, strict=True):
        row[: len(values)] = values
    return np.stack([np.nanmean(padded, 0), np.nanstd(padded, 0)])


def layers_figure(weights: Mapping[int, Spread]) -> Figure:
    """How much of the mix each hidden layer is: mean over the folds, bar of one deviation."""
    figure, (axes,) = panels(1, 1, PAGE, 2.4)
    means = [row.mean for row in weights.values()]
    deviations = [row.deviation for row in weights.values()]
    seaborn.barplot(x=list(weights), y=means, ax=axes, color=BLUE, saturation=1, width=0.7)
    axes.errorbar(range(len(means)), means, deviations, fmt="none", ecolor=SOFT, lw=1.4)
    axes.axhline(1 / len(weights), **CHANCE)
    axes.set(xlabel="hidden layer", ylabel="share of the mix", ylim=(0, None))
    legend(figure, [entry("equal shares, as before training", **CHANCE)])
    return figure


def _chosen(run: Run, chosen: str | None) -> list[int]:
    """The utterances whose attention is drawn."""
    ids = run.dataset.utterances["id"]
    if chosen is None or chosen in ids.to_numpy():
        return run.most_probable() if chosen is None else np.flatnonzero(ids == chosen).tolist()
    log.warning(
        "no utterance %s; ids are like %s: the most probable of each class are drawn",
        chosen,
        ids.iloc[0],
    )
    return run.most_probable()


def _attended(run: Run, attention: Steps, rows: Sequence[int]) -> tuple[dict[str, Steps], float]:
    """Title → attention of some utterances, and seconds a step (0: steps are layers)."""
    data, attended = run.dataset, {}
    for row in rows:
        predicted = data.classes[run.result.by_seed[0, row].argmax()]
        name, truth = data.utterances["id"].iloc[row], data.truth[row]
        title = f"{name}: {truth}" + (f", predicted {predicted}" if predicted != truth else "")
        steps = int(np.flatnonzero(np.isfinite(attention[row]))[-1]) + 1
        attended[title] = attention[row, :steps]
    return attended, 1 / data.recipe["sequence_rate"] if data.features.sequences else 0.0


def attention_figure(attended: dict[str, Steps], seconds: float) -> Figure:
    """Attention of the head in some utterances, over time or layers."""
    columns = min(2 if len(attended) <= 8 else 3, len(attended))
    lines = -(-len(attended) // columns)
    figure, shown = panels(lines, columns, PAGE, 0.4 + 1.35 * lines)
    for axes, (title, weights) in zip(shown, attended.items(), strict=False):
        edges = np.arange(len(weights) + 1) * seconds if seconds else np.arange(len(weights) + 1)
        edges = edges if seconds else edges - 0.5  # a bar is centred on its layer
        seaborn.histplot(x=(edges[1:] + edges[:-1]) / 2, weights=weights, bins=edges.tolist(),
                         ax=axes, color=BLUE, alpha=1, lw=0)  # fmt: skip
        axes.axhline(1 / len(weights), **CHANCE)
        axes.set_title(wrapped([title], 76 // columns)[0])
        axes.set(ylim=(0, None), xlabel="seconds" if seconds else "hidden layer", ylabel="")
    for axes in shown[len(attended) :]:
        axes.set_axis_off()
    legend(figure, [entry("equal attention", **CHANCE)])
    return figure
