"""Figures of a fairness study: the score of each group, the recall of each class in each group."""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from classify.fairness.result import Fairness
from classify.fairness.study import Study
from classify.formats import interval, score
from classify.report.elements import CHANCE, entry, heat_map, height_of, legend, wrapped
from classify.report.style import BLUE, DASHED, PAGE, SOFT, Illustration, panels, write


def draw(found: Study, folder: Path) -> list[Illustration]:
    """Write the figures into `folder`."""
    fairness, classes = found.fairness, found.run.dataset.classes
    planned = [
        Illustration(
            "groups", "Groups", f"{fairness.label} of each group with its 95 % interval over the "
            "speakers, where there are four or more. In brackets: speakers. Groups are scored on "
            "the classes that all of a column have, the line of all utterances on all classes.",
            partial(groups_figure, fairness, 1 / len(classes) if classes else 0.0),
        )
    ]  # fmt: skip
    if classes:
        planned.append(Illustration(
            "group_recall", "Recall by group", "Recall of each class in each group, above the "
            "number of utterances. Blank: a class that is not scored, because not all groups of "
            "the column have it, or a recall of 0.", partial(recall_figure, fairness, classes),
        ))  # fmt: skip
    return write(planned, folder, found.run.title)


def groups_figure(found: Fairness, chance: float) -> Figure:
    """The score of each group as a dot with its interval, columns below each other."""
    each = [(column, group) for column in found.columns for group in column.groups]
    names = wrapped([f"{column.name}: {group.name} ({group.speakers or 'unknown'})"
                     for column, group in each], 30)  # fmt: skip
    places, place = [], 0.0
    for n, (column, _) in enumerate(each):
        place += 0.0 if n == 0 else 1.0 if column is each[n - 1][0] else 1.6
        places.append(place)
    height = 0.5 + 1.35 * height_of(names) * (place + 1)
    figure, (axes,) = panels(1, 1, PAGE, height)
    for place, (_, group) in zip(places, each, strict=True):
        if group.interval:
            axes.plot(group.interval, [place] * 2, color=BLUE, lw=1.4, solid_capstyle="butt")
        if group.value is not None:
            axes.plot(group.value, place, "o", color=BLUE, ms=5, clip_on=False)
        words = f"{score(group.value)} {interval(group.interval)}".removesuffix(" –")
        axes.annotate(words, (1, place), (6, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", annotation_clip=False)  # fmt: skip
    axes.axvline(found.value, color=SOFT, ls=DASHED, lw=1, zorder=0)
    axes.axvline(chance, zorder=0, **CHANCE)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=found.label, ylim=(places[-1] + 0.5, -0.5))
    axes.margins(x=0.04)
    legend(figure, [
        entry(f"all utterances: {found.value:.3f}", SOFT, ls=DASHED, lw=1),
        entry(f"chance: {chance:.3f}", **CHANCE),
    ])  # fmt: skip
    return figure


def recall_figure(found: Fairness, classes: tuple[str, ...]) -> Figure:
    """Recall of each class in each group as a heat map."""
    each = [(column, group) for column in found.columns for group in column.groups]
    values = [
        [group.parts[name].value if name in group.parts else np.nan for name in classes]
        for _, group in each
    ]
    counts = [[f"{group.support[name] or ''}" for name in classes] for _, group in each]
    names = [f"{column.name}: {group.name}" for column, group in each]
    figure, _ = heat_map(np.array(values), names, classes, "recall", counts=np.array(counts))
    return figure
