"""The report: one page that needs nothing but itself."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import jinja2

from classify.run import Run


def render(run: Run, figures: Mapping[str, Path]) -> str:
    """The page as HTML, with `figures` (caption → PNG) inside of it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = "{:.3f}".format
    environment.filters["plain"] = _plain
    return environment.get_template("report.html.j2").render(
        run=run,
        scores=run.metrics,
        options=run.metrics["options"],
        figures={
            caption: f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
            for caption, path in figures.items()
        },
    )


def _plain(value: object) -> str:
    """An option's value as a person would write it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "all"
    return "default" if value is None else value if isinstance(value, str) else json.dumps(value)
