"""Figures of a regression: predictions against the truth, and both in the plane of two targets."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from classify.evaluation.numbers import NumberOutcome
from classify.evaluation.run import Run
from classify.report.elements import entry, legend, wrapped
from classify.report.style import (
    BLACK,
    BLUE,
    DASHED,
    PAGE,
    VERMILION,
    Illustration,
    panels,
    write,
)

ACROSS = 3  # panels in a row
OUTSIDE = (0.05, 0.25, 0.5, 0.75)  # shares of the density below each contour

Values = npt.NDArray[np.float64]


def draw(run: Run, outcome: NumberOutcome, folder: Path) -> list[Illustration]:
    """Write the figures of `run` into `folder`. A plane is of two targets."""
    found = run.dataset.targets, run.dataset.y, run.result.output
    scores = {name: row.values["ccc"] for name, row in outcome.targets.items()}
    words = (
        "Every utterance as predicted by the head that was not trained on its speaker or fold. On "
        "the dashed line a prediction is right; a cloud flatter than it is drawn towards the mean."
    )
    make = partial(predictions_figure, *found, scores)
    planned = [Illustration("predictions", "Predictions and truth", words, make)]
    if len(run.dataset.targets) == 2:
        words = (
            "Lines and shades enclose 25, 50, 75 and 95 % of the density, by a Gaussian kernel "
            "estimate (Scott 1992). Crosses: means."
        )
        make = partial(plane_figure, *found)
        planned.append(Illustration("plane", "The plane of both targets", words, make))
    return write(planned, folder, run.title)


def predictions_figure(
    names: Sequence[str], truths: Values, predictions: Values, ccc: dict[str, float | None]
) -> Figure:
    """A panel for each target: truth along, prediction up, and the line where they are equal."""
    across = min(ACROSS, len(names))
    down = -(-len(names) // across)
    side = PAGE / max(2, across)
    figure, every = panels(down, across, side * across, 1.05 * side * down)
    for column, (axes, name) in enumerate(zip(every, names, strict=False)):
        truth, prediction = truths[:, column], predictions[:, column]
        limits = _limits(np.concatenate([truth, prediction]))
        axes.plot(limits, limits, color=BLACK, lw=0.8, ls=DASHED)
        alpha = float(np.clip(60 / len(truth) ** 0.75, 0.05, 0.8))
        seaborn.scatterplot(x=truth, y=prediction, ax=axes, s=9, color=BLUE, alpha=alpha, lw=0,
                            rasterized=True)  # fmt: skip
        score = "not defined" if ccc[name] is None else f"{ccc[name]:.2f}"
        axes.set_title(f"{wrapped([name])[0]}\nCCC {score}")
        axes.set(xlabel="truth", xlim=limits, ylim=limits, aspect="equal")
        axes.set_ylabel("prediction" if column % across == 0 else "")
        axes.locator_params(nbins=6)
    for axes in every[len(names) :]:
        axes.set_axis_off()
    return figure


def plane_figure(names: Sequence[str], truth: Values, prediction: Values) -> Figure:
    """Where the truth of two targets lies, and where the predictions do.

    Valence goes along and arousal up (Russell 1980, A circumplex model of affect); of other targets
    the first goes along.
    """
    along, up = (1, 0) if tuple(names) == ("arousal", "valence") else (0, 1)
    figure, (axes,) = panels(1, 1, 0.7 * PAGE, 0.6 * PAGE)
    every = {"truth": (truth, BLUE, True), "prediction": (prediction, VERMILION, False)}
    for values, colour, filled in every.values():
        x, y = values[:, along], values[:, up]
        look: dict[str, Any] = {"color": colour, "levels": OUTSIDE}
        if filled:
            shades = seaborn.light_palette(colour, as_cmap=True)
            look = {"cmap": shades, "levels": (*OUTSIDE, 1), "fill": True}
        if np.linalg.matrix_rank(np.cov(x, y), rtol=1e-9) == 2:
            seaborn.kdeplot(x=x, y=y, ax=axes, cut=1, **look)
        else:  # values on a line have no density
            seaborn.scatterplot(x=x, y=y, ax=axes, s=9, color=colour, lw=0, rasterized=True)
        axes.plot(x.mean(), y.mean(), "X", color=colour, mec="white", mew=0.8, ms=7, zorder=5)
    both = np.vstack([truth, prediction])
    axes.set(xlim=_limits(both[:, along]), ylim=_limits(both[:, up]))
    xlabel, ylabel = (wrapped([names[n]], 40)[0] for n in (along, up))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    legend(figure, [Patch(color=BLUE, alpha=0.5, label="truth"), entry("prediction", VERMILION)])
    return figure


def _limits(values: Values) -> tuple[float, float]:
    """Lowest and highest with a margin, also where they are the same."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin
