"""Figure of emotion over time."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator

from classify.inference.timeline import SILENCE, Timeline, clock
from classify.report.elements import legend
from classify.report.style import FAINT, PAGE, PALETTE, SOFT, panels, style

COLUMNS = 1400  # of the waveform: what the page resolves
SHOWN = 300  # windows at most: of more, neighbours are averaged
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds from tick to tick
TICKS = 10
STRIP = 0.07  # height of the strip of emotions, of the panel's
HATCHES = ("", "//", "..", "xx")

Peaks = npt.NDArray[np.float32]  # (column, lowest and highest)


def draw(timeline: Timeline) -> Figure:
    """The waveform above, with a strip of its emotions; below on the same axis of time the
    probabilities, stacked, or the numbers of a regression, as lines. Of a long recording each
    column is the mean of some windows."""
    peaks = _reduced(timeline.peaks)
    timeline = _coarse(timeline)
    with style():
        figure, (above, below) = panels(2, 1, PAGE, 3.0)
        above.sharex(below)
        _waveform(above, timeline, peaks)
        if timeline.regression:
            _numbers(below, timeline)
        else:
            _strip(above, timeline)
            _stacked(below, timeline)
        below.set(xlim=(timeline.starts[0], timeline.ends[-1]), xlabel="time")
        below.xaxis.set_major_locator(_locator(timeline.ends[-1] - timeline.starts[0]))
        below.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
        shown = list(timeline.classes)
        if not timeline.regression and timeline.silent.any():
            shown.append(SILENCE)
        legend(figure, [Patch(label=name, **_look(timeline, name)) for name in shown])
    return figure


def _coarse(timeline: Timeline) -> Timeline:
    """Average neighbouring windows to at most `SHOWN`; a group is silent if all its windows are."""
    count = len(timeline.starts)
    if count <= SHOWN:
        return timeline
    first = np.linspace(0, count, SHOWN, endpoint=False).astype(int)
    last = np.append(first[1:], count) - 1
    voiced = np.add.reduceat(~timeline.silent, first)[:, None]
    sums = np.add.reduceat(np.nan_to_num(timeline.probabilities), first)
    means = np.where(voiced > 0, sums / np.maximum(voiced, 1), np.nan)
    return replace(
        timeline, starts=timeline.starts[first], ends=timeline.ends[last], probabilities=means
    )


def _locator(seconds: float) -> Locator:
    """Ticks at full seconds, minutes or hours."""
    if seconds < STEPS[0] * TICKS / 2:
        return MaxNLocator(TICKS)
    step = next((step for step in STEPS if seconds <= step * TICKS), seconds // TICKS)
    return MultipleLocator(step)


def _reduced(peaks: Peaks) -> Peaks:
    """At most `COLUMNS` rows, lowest and highest of what falls into each."""
    first = np.linspace(0, len(peaks), min(len(peaks), COLUMNS), endpoint=False).astype(int)
    low = np.minimum.reduceat(peaks[:, 0], first) if len(first) else peaks[:, 0]
    high = np.maximum.reduceat(peaks[:, 1], first) if len(first) else peaks[:, 1]
    return np.stack([low, high], axis=1)


def _waveform(axes: Axes, timeline: Timeline, peaks: Peaks) -> None:
    times = np.linspace(timeline.starts[0], timeline.ends[-1], len(peaks))
    axes.fill_between(times, peaks[:, 0], peaks[:, 1], color=SOFT, lw=0.3)
    loudest = max(float(np.abs(peaks).max(initial=0)), 1e-3)
    axes.set(ylabel="waveform", ylim=(-1.1 * loudest, 1.3 * loudest))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(labelbottom=False)


def _strip(axes: Axes, timeline: Timeline) -> None:
    """The segments, as a band of their colours at the top."""
    for segment in timeline.segments():
        look = _look(timeline, segment.emotion)
        axes.axvspan(segment.start, segment.end, 1 - STRIP, 1, **look)


def _stacked(axes: Axes, timeline: Timeline) -> None:
    sides = np.repeat(timeline.bounds, 2)[1:-1]  # left and right of each window
    looks = [_look(timeline, name) for name in timeline.classes]
    axes.stackplot(
        sides, np.repeat(timeline.probabilities, 2, axis=0).T, lw=0,
        colors=[look["facecolor"] for look in looks], hatch=[look["hatch"] for look in looks],
    )  # fmt: skip
    axes.set(ylabel="probability", ylim=(0, 1))
    windows = zip(timeline.bounds[:-1], timeline.bounds[1:], strict=True)
    for (start, end), silent in zip(windows, timeline.silent, strict=True):
        if silent:
            axes.axvspan(start, end, color=FAINT, alpha=0.35, lw=0)


def _numbers(axes: Axes, timeline: Timeline) -> None:
    sides = np.repeat(timeline.bounds, 2)[1:-1]
    for name, values in zip(timeline.classes, timeline.probabilities.T, strict=True):
        axes.plot(sides, np.repeat(values, 2), color=_look(timeline, name)["facecolor"])
    axes.set_ylabel("number")


def _look(timeline: Timeline, name: str) -> dict[str, Any]:
    """Colour of a class; of more classes than colours, its hatching too."""
    if name not in timeline.classes:
        return {"facecolor": FAINT, "lw": 0}
    cycle, colour = divmod(list(timeline.classes).index(name), len(PALETTE))
    return {"facecolor": PALETTE[colour], "hatch": HATCHES[cycle % len(HATCHES)], "lw": 0}
