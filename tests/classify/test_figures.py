"""Figures of 2 to 30 classes with long names: no text is cut, no legend covers a line."""

import itertools
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from classify.compare.result import HeadScores, Nemenyi
from classify.dataset import Selection
from classify.evaluation.classes import Spread
from classify.evaluation.folds import Folds
from classify.fairness.result import Column, Fairness, Group, Part
from classify.inference import timeline_figure
from classify.inference.timeline import Timeline
from classify.probing.maps import LayerMaps, Map
from classify.probing.result import (
    CodeLength,
    ControlCurve,
    FoldChoice,
    LayerScores,
    NestedScores,
    RemovedCurve,
    ShuffledCurve,
    ShuffledLayer,
    TargetResult,
)
from classify.probing.targets import Task
from classify.report import curve_figures, elements, panel_figures, row_figures
from classify.report.published import ANCHORS
from classify.report.style import SEQUENTIAL, TYPE, Illustration, style, write
from classify.robustness import design as of_conditions
from classify.stats import metrics
from classify.stats.scores import Scores
from classify.stats.tests import Best
from classify.studies.results import Difference

LONG = "a very long name of a pleasantly surprised class from another corpus, number {}"


def figures(count: int, long: bool) -> dict[str, Callable[[], Figure]]:
    """Name → how to draw it with `count` classes, speakers, targets and heads of made-up scores."""
    random = np.random.default_rng(count)
    names = [LONG.format(n) if long else f"class {n}" for n in range(count)]
    confusion = random.poisson(3, (count, count)) + np.diag(random.poisson(60, count))
    groups = np.arange(300) % count
    utterances = pd.DataFrame({"corpus": "corpus", "speaker": np.array(names, object)[groups]})
    chosen = Selection(utterances, np.arange(300), groups, tuple(names), ())
    halves = [(np.arange(150), np.arange(150, 300)), (np.arange(150, 300), np.arange(150))]
    folds = Folds("two", halves, by_speaker=True)
    recipe = {"model": LONG if long else "untrained", "engine": "torch", "precision": "float32"}

    def scores(*raised: int) -> Scores:
        counts = confusion + np.diag(raised or [0] * count)
        uar = float(metrics.uar(counts))
        return Scores(counts, tuple(names), {"uar": [uar - 0.08, min(uar + 0.08, 1.0)]})

    def rows(number: int) -> list[LayerScores]:
        return [
            LayerScores(scores(*random.poisson(40, count)), {}, layer, [1.0])
            for layer in range(number)
        ]

    def best(of: list, *equals: int) -> Best:
        p = np.isin(np.arange(len(of)), equals).astype(float)
        return Best(equals[0], p, np.zeros(len(of)), 0.05, 0.01)

    layers = rows(25)
    speakers = {f"corpus/{name}": scores(*random.poisson(40, count)) for name in names}
    nested = NestedScores(
        scores(), speakers, 0.84, [FoldChoice(n, n % 3 + 6, 1.0) for n in range(10)]
    )
    control = ControlCurve(recipe, "", "mean", layers[:13], best(layers[:13], 1),
                           Difference(0.1, None, 0.5, 0.5))  # fmt: skip
    shuffled = [ShuffledLayer(n, 0.2, 0.02, 0.5, 0.01) for n in range(25)]

    def target(name: str) -> TargetResult:
        return TargetResult(
            task=Task(name, chosen, folds, groups.astype(object), "speaker"),
            C="1",
            pooling="mean",
            layers=layers,
            predictions=np.empty((25, 0), np.intp),
            majority=scores(),
            best=best(layers, 6, 7, 8),
            nested=nested,
            shuffled=ShuffledCurve(20, "within speakers", shuffled),
            control=control,
            baselines={"logmel": layers[0], "energy": layers[1]},
            removed=RemovedCurve("mean of each speaker", True, layers),
            description_length=[CodeLength(n, 1.0, 900.0, 40.0, 1500.0) for n in range(25)],
        )

    targets = [target(name) for name in ["emotion", *(names[1:4] if long else ["sex", "speaker"])]]
    published = [anchor for anchor in ANCHORS if anchor.corpus == "emodb"]
    heads = [
        HeadScores(name, "layers 0-12, mean+std, standardised", 1.0, scores(), 1 + rank, {})
        for rank, name in enumerate(names)
    ]
    nemenyi = Nemenyi(0.05, 1.5, [names[:2], names[-2:]])
    history = {
        f"{part}_{kind}": list(1 / np.arange(1, 40))
        for part in ("train", "stop", "heldout")
        for kind in ("loss", "accuracy", "uar")
    }
    numbers = random.normal(size=(200, 3))
    names3 = [names[0], names[1], "dominance"]
    points = [Map(kind, (f"{kind} 1", f"{kind} 2"), np.arange(300), random.normal(size=(300, 2)))
              for kind in ("PCA", "LDA", "t-SNE")]  # fmt: skip
    parts = {name: Part(0.6, None) for name in names[1:]}
    people = [
        Group(name, 12, 99, 99, dict.fromkeys(names, 33), 0.4 + n / 99, [0.3, 0.9], parts, {})
        for n, name in enumerate(names)
    ]
    lone = Column("sex", "", 0.1, 0, (), tuple(people[:2]), (), (), ())
    columns = (lone, Column(names[0], "", 0.1, 0, (), tuple(people), (), (), ()))
    fairness = Fairness("uar", "UAR", "recall", 0.6, columns, {})
    conditions = [LONG.format(n) if long else f"noise:{n}" for n in range(count)]
    kinds = [f"kind {n // 2} {LONG if long else ''}" for n in range(count)]
    tested = [of_conditions.Group("clean", "clean", (0,), "", None, None, 300, 0)] + [
        of_conditions.Group("condition", name, (n + 1,), kind, n, n, 300, 0)
        for n, (name, kind) in enumerate(zip(conditions, kinds, strict=True))
    ]
    runs = {
        name: [
            of_conditions.Row(group, scores(*random.poisson(40, count)), 0.1, None, 1.0, None)
            for group in tested
        ]
        for name in names[:5]
    }
    of_units = random.poisson(3, (6, 25, 2, count, count)) + 9 * np.eye(count, dtype=int)
    starts = np.arange(60.0)
    shares = random.dirichlet(np.ones(count), 60)
    shares[20:25] = np.nan
    timeline = Timeline(
        starts, starts + 2, shares, names, peaks=np.float32(random.normal(size=(500, 2)))
    )
    return {
        "confusion": lambda: elements.confusion_figure(confusion, names),
        "heat": lambda: elements.heat_map(
            random.uniform(0.1, 0.6, (count, 25)),
            names,
            [*map(str, range(25))],
            "UAR",
            xlabel="hidden layer",
            ylabel="class (utterances)",
            low=1 / count,
        ),
        "similarity": lambda: elements.heat_map(
            random.uniform(0.2, 1, (25, 25)),
            *[[*map(str, range(25))]] * 2,
            "linear CKA",
            colours=SEQUENTIAL,
            low=0.2,
            upward=True,
        ),
        "counts": lambda: elements.heat_map(
            random.uniform(size=(min(5, count), count)),
            names[:5],
            names,
            "UAR",
            counts=np.full((min(5, count), count), "7 cl."),
        ),
        "confusion_folds": lambda: panel_figures.fold_confusions_figure(
            {f"{fold}: {names[0]}": confusion for fold in range(6)}, names
        ),
        "maps": lambda: panel_figures.maps_figure(LayerMaps(6, points), targets[0].task),
        "attention": lambda: panel_figures.attention_figure(
            {name: random.dirichlet(np.ones(40)) for name in names}, 0.1
        ),
        "predictions": lambda: panel_figures.predictions_figure(
            names3, numbers, numbers / 2, dict.fromkeys(names3, 0.5)
        ),
        "plane": lambda: panel_figures.plane_figure(names3[:2], numbers[:, :2], numbers[:, 1:]),
        "training": lambda: curve_figures.training_figure([history] * 3, 1 / count),
        "weights": lambda: curve_figures.weights_figure(
            {n: Spread(1 / count, 0.01) for n in range(count)}
        ),
        "curves": lambda: curve_figures.curves_figure(targets, published),
        "targets": lambda: curve_figures.targets_figure(targets),
        "description": lambda: curve_figures.description_length_figure(targets),
        "levels": lambda: curve_figures.levels_figure(runs, kinds[::2], 1 / count),
        "layer_means": lambda: curve_figures.robust_layers_figure(
            range(25), of_units, [3, 7, 7, 20], 1 / count
        ),
        "f1": lambda: row_figures.f1_figure(scores()),
        "scores": lambda: row_figures.scores_figure(heads, best(heads, 0, 1), 1 / count),
        "ranks": lambda: row_figures.ranks_figure(heads, nemenyi, 10),
        "groups": lambda: row_figures.groups_figure(fairness, 1 / count),
        "conditions": lambda: row_figures.conditions_figure(runs, 1 / count),
        "speakers": lambda: row_figures.speakers_figure(nested, 1 / count),
        "selection": lambda: row_figures.selection_figure(targets),
        "timeline": lambda: timeline_figure.draw(timeline),
    }


@pytest.mark.parametrize(
    ("count", "long"), [(2, True), pytest.param(7, False, marks=pytest.mark.torture), (30, True)]
)
@pytest.mark.parametrize("name", figures(2, False))
def test_no_text_is_cut_and_no_legend_covers_a_line(name: str, count: int, long: bool) -> None:
    with style(), matplotlib.rc_context({"figure.dpi": 72}):  # small, and so quick
        figure = figures(count, long)[name]()
        figure.draw_without_rendering()
    canvas = figure.bbox
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert texts
    drawn = _drawn(figure, texts)
    for text in drawn:
        assert text.get_fontsize() == TYPE
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0, text  # noqa: PT018
        assert box.x1 <= canvas.x1 and box.y1 <= canvas.y1, text  # noqa: PT018
    legends = [each.get_window_extent() for each in figure.legends]
    for box, axes in itertools.product(legends, figure.axes):
        assert not box.overlaps(axes.get_window_extent()), f"a legend covers {axes}"
    for axes, axis in itertools.product(figure.axes, ("x", "y")):
        assert min(axes.get_window_extent().size) > 4, "the layout left no room for a panel"
        labels = [
            each
            for each in getattr(axes, f"get_{axis}ticklabels")()
            if each in drawn and each.get_text()
        ]
        boxes = [each.get_window_extent() for each in labels]
        assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes)), labels


def _drawn(figure: Figure, texts: list[Text]) -> list[Text]:
    """Texts that are in the picture: ticks outside of the limits and hidden axes are not."""
    hidden: set[Text] = set()
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (low <= tick.get_loc() <= high and axes.axison):
                    hidden |= {tick.label1, tick.label2}
        if not axes.axison:
            hidden |= {axes.xaxis.label, axes.yaxis.label}
    return [text for text in texts if text not in hidden]


def test_equal_figures_give_equal_bytes_and_name_what_they_are_of(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        planned = Illustration("f1", "F1 of each class", "", figures(7, False)["f1"])
        (drawn,) = write([planned], folder, "ridge on untrained control")
        assert drawn.inches == 7
    for kind in ("png", "svg"):
        one, two = (tmp_path / folder / f"f1.{kind}" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
        assert b"ridge on untrained control: F1 of each class" in one.read_bytes()


@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_values_on_a_line_have_no_density_and_are_drawn_as_points(slope: float) -> None:
    truth = np.random.default_rng(0).normal(size=(50, 2))
    line = np.stack([truth[:, 0], slope * truth[:, 0]], axis=1)
    with style():
        (axes,) = panel_figures.plane_figure(("a", "b"), truth, line).axes
    assert isinstance(axes.collections[-1], PathCollection)
    assert len(axes.collections[-1].get_offsets()) == 50
