"""Fragments of the page, in HTML and Markdown."""

import base64
import threading
from itertools import cycle
from pathlib import Path

import jinja2

from classify.inference import timeline_figure
from classify.inference.serve.queue import Prediction
from classify.models.trained import TrainedHead
from classify.report.style import PALETTE, as_bytes

MODEL_CARD = "README.md"
_DRAWING = threading.Lock()  # matplotlib's settings are global

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def fragment(template: str, **values: object) -> str:
    """A template of this folder with some values, which are escaped."""
    return _templates.get_template(template).render(values)


def prediction(found: Prediction) -> str:
    """A prediction: probabilities as bars and the timeline, or the numbers of a regression."""
    shares = found.answer.probabilities
    with _DRAWING:
        image = as_bytes(timeline_figure.draw(found.timeline))
    return fragment(
        "prediction.html.j2",
        ranked=sorted(shares.items(), key=lambda item: -item[1]),
        colours=dict(zip(shares, cycle(PALETTE), strict=False)),  # those of the timeline
        numbers=found.answer.numbers,
        warnings=found.answer.warnings.values(),
        seconds=found.seconds,
        # not the address of a file, which would have to be stored and removed
        timeline="data:image/png;base64," + base64.b64encode(image).decode(),
    )


def card(model: TrainedHead, folder: Path) -> str:
    """The model card in Markdown, or a summary if there is none."""
    try:
        return (folder / MODEL_CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return fragment("facts.md.j2", model=model, card=model.card)
