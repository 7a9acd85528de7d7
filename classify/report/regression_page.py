"""A regression as a page to read."""

from collections.abc import Sequence
from pathlib import Path

from classify.evaluation.run import Run
from classify.report.page import inline, page
from classify.report.regression_figures import Illustration


def render(run: Run, figures: Sequence[tuple[Illustration, Path]]) -> str:
    """The page as HTML, with `figures` inside of it."""
    return page("regression.html.j2").render(
        run=run,
        scores=run.metrics,
        options=run.metrics["options"],
        figures=[(illustration, inline(file)) for illustration, file in figures],
    )
