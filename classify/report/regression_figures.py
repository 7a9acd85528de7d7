"""Figures of a regression: predictions against the truth, and both in the plane of two targets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import gaussian_kde

from classify.evaluation.run import Run
from classify.report.style import BLACK, BLUE, PAGE, VERMILION, entitle, panels, save, style

ACROSS = 3  # panels in a row
HELD = (0.95, 0.75, 0.5, 0.25)  # shares of the utterances that the lines of a density enclose
SHADES = ("#dbe9f4", "#b9d6ea", "#8bbcdd", "#5a9dcc")  # from the largest share to the least
GRID = 120  # points of a density along each axis

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Illustration:
    """A figure with its words."""

    name: str  # the files are <name>.png and <name>.svg
    title: str
    caption: str


PREDICTIONS = Illustration(
    "predictions",
    "Predictions and truth",
    "Every utterance as predicted by the head that was not trained on its speaker or fold. On the "
    "dashed line a prediction is right; a cloud flatter than it is drawn towards the mean.",
)
PLANE = Illustration(
    "plane",
    "The plane of both targets",
    "Lines and shades enclose 25, 50, 75 and 95 % of the utterances, by a Gaussian kernel density "
    "(Scott 1992). Crosses: means.",
)


def draw(run: Run, folder: Path) -> list[tuple[Illustration, Path]]:
    """Write the figures of `run` as PNG and SVG: each with its PNG. A plane is of two targets."""
    planned = [(PREDICTIONS, predictions_figure)]
    if len(run.dataset.targets) == 2:
        planned.append((PLANE, plane_figure))
    for illustration, make in planned:
        with style():
            save(make(run), folder, illustration.name)
    return [(illustration, folder / f"{illustration.name}.png") for illustration, _ in planned]


def predictions_figure(run: Run) -> Figure:
    """A panel for each target: truth along, prediction up, and the line where they are equal."""
    names = run.dataset.targets
    across = min(ACROSS, len(names))
    down = -(-len(names) // across)
    side = PAGE / max(2, across)
    figure, every = panels(down, across, side * across, 1.06 * side * down + 0.2)
    _entitle(figure, run)
    for column, (axes, name) in enumerate(zip(every, names, strict=False)):
        truth, prediction = run.dataset.y[:, column], run.result.output[:, column]
        limits = _limits(np.concatenate([truth, prediction]))
        axes.plot(limits, limits, color=BLACK, lw=0.8, ls=(0, (4, 2)))
        alpha = float(np.clip(60 / len(truth) ** 0.75, 0.05, 0.8))
        axes.scatter(truth, prediction, s=9, color=BLUE, alpha=alpha, lw=0, rasterized=True)
        ccc = run.metrics["targets"][name]["ccc"]
        score = "not defined" if ccc is None else f"{ccc:.2f}"
        axes.set_title(f"{name}: CCC {score}")
        axes.set(xlabel="truth", xlim=limits, ylim=limits, aspect="equal")
        axes.locator_params(nbins=5)
        if column % across == 0:
            axes.set_ylabel("prediction")
    for axes in every[len(names) :]:
        axes.set_axis_off()
    return figure


def plane_figure(run: Run) -> Figure:
    """Where the truth of two targets lies, and where the predictions do.

    Valence goes along and arousal up (Russell 1980, A circumplex model of affect); of other targets
    the first goes along.
    """
    along, up = (1, 0) if run.dataset.targets == ("arousal", "valence") else (0, 1)
    truth, prediction = run.dataset.y[:, [along, up]], run.result.output[:, [along, up]]
    figure, (axes,) = panels(1, 1, 0.65 * PAGE, 0.6 * PAGE)
    _entitle(figure, run)
    both = np.vstack([truth, prediction])
    box = (_limits(both[:, 0]), _limits(both[:, 1]))
    for values, colour, filled in ((truth, BLUE, True), (prediction, VERMILION, False)):
        _density(axes, values, box, colour, filled)
        axes.plot(*values.mean(0), "X", color=colour, mec="white", mew=0.8, ms=7, zorder=5)
    keys = [Patch(color=SHADES[2]), Line2D([], [], color=VERMILION)]
    axes.legend(keys, ["truth", "prediction"], loc="upper left", bbox_to_anchor=(1, 1))
    names = run.dataset.targets
    axes.set(xlabel=names[along], ylabel=names[up], xlim=box[0], ylim=box[1])
    return figure


def _entitle(figure: Figure, run: Run) -> None:
    """Say what was scored; a control is never to be taken for a pretrained encoder."""
    entitle(figure, f"{run.options.head} on {run.dataset.encoder}", size=8)


def _density(
    axes: Axes, values: Values, box: tuple[tuple[float, float], ...], colour: str, filled: bool
) -> None:
    """Regions of highest density; points where all values lie on a line and there is none."""
    try:
        density = gaussian_kde(values.T)
    except (np.linalg.LinAlgError, ValueError):
        axes.scatter(values[:, 0], values[:, 1], s=9, color=colour, lw=0, rasterized=True)
        return
    x, y = (np.linspace(*limits, GRID) for limits in box)
    grid = np.stack(np.meshgrid(x, y)).reshape(2, -1)
    heights = density(grid).reshape(GRID, GRID)
    levels = np.unique(np.quantile(density(values.T), [1 - share for share in HELD]))
    if filled:
        axes.contourf(x, y, heights, levels, colors=SHADES, extend="max")
    else:
        axes.contour(x, y, heights, levels, colors=colour, linewidths=1)


def _limits(values: Values) -> tuple[float, float]:
    """Lowest and highest with a margin, also where they are the same."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin
