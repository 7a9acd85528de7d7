"""The report: one page that needs nothing but itself."""

from collections.abc import Mapping
from pathlib import Path

from classify.evaluation.run import Run
from classify.report.page import inline, page


def render(run: Run, figures: Mapping[str, Path]) -> str:
    """The page as HTML, with `figures` (caption → PNG) inside of it."""
    return page("report.html.j2").render(
        run=run,
        scores=run.metrics,
        options=run.metrics["options"],
        figures={caption: inline(path) for caption, path in figures.items()},
    )
