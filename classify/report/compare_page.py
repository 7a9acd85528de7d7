"""A comparison of heads as a page to read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classify.report.page import inline, page
from classify.report.style import Illustration
from data.cache.recipe import encoder_in_words

Json = dict[str, Any]


def render(
    metrics: Json,
    seconds: Mapping[str, float],
    illustrations: Sequence[Illustration],
    folder: Path,
) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it.

    Args:
        metrics: ``compare.json``.
        seconds: head → what its cross-validation took.
        illustrations: figures in `folder`.
    """
    return page("compare.html.j2").render(
        metrics=metrics,
        title=f"Heads on {encoder_in_words(metrics)}",
        seconds=seconds,
        compared={metrics["best"]["head"]: None}
        | {row["head"]: row for row in metrics["best"]["compared"]},
        figures=[
            (each, inline(folder / f"{each.name}.svg"), f"{each.name}.png")
            for each in illustrations
        ],
    )
