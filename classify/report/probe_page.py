"""A probe as a page to read."""

from collections.abc import Sequence
from pathlib import Path

from classify.probe.result import Json, Probe
from classify.report.page import inline, page
from classify.report.probe_text import spans
from classify.report.published import CITATIONS, anchors
from classify.report.style import Illustration
from data.cache.recipe import encoder_in_words

TITLES = {"logmel": "log-mel", "energy": "level", "duration": "duration"}


def render(probe: Probe, illustrations: Sequence[Illustration], folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    metrics = probe.metrics
    return page("probe.html.j2").render(
        metrics=metrics,
        title=f"Probe of {encoder_in_words(metrics)}",
        figures=[
            (each, inline(folder / f"{each.name}.svg"), f"{each.name}.png")
            for each in illustrations
        ],
        tables={name: _rows(target) for name, target in metrics["targets"].items()},
        baselines={name: _baselines(target) for name, target in metrics["targets"].items()},
        published=anchors(metrics),
        citations=CITATIONS,
        equals={name: _equals(target) for name, target in metrics["targets"].items()},
        against=metrics.get("similarity", {}).get("against"),
    )


def _rows(target: Json) -> list[Json]:
    """A row a layer: its own, with what is known of it elsewhere in the result."""
    compared = {row["layer"]: row for row in target["best"]["compared"]}
    found = target.get("controls", {})
    beside = {
        "shuffled": found.get("shuffled", {}).get("layers", ()),
        "control": found.get("control", {}).get("layers", ()),
        "removed": target.get("removed", {}).get("layers", ()),
        "length": target.get("description_length", ()),
    }
    by_layer = {kind: {row["layer"]: row for row in rows} for kind, rows in beside.items()}
    return [
        {
            **row,
            "compared": compared.get(row["layer"]),
            "equal": row["layer"] in target["best"]["equals"],
            **{kind: rows.get(row["layer"]) for kind, rows in by_layer.items()},
        }
        for row in target["layers"]
    ]


def _equals(target: Json) -> str:
    """The layers that cannot be told from the best, without it."""
    best = target["best"]
    return spans([layer for layer in best["equals"] if layer != best["layer"]]) or "none"


def _baselines(target: Json) -> list[tuple[str, Json]]:
    found = target.get("controls", {})
    return [(title, found[name]) for name, title in TITLES.items() if name in found]
