"""HTML fragments of the page."""

import base64
import threading
from itertools import cycle
from pathlib import Path

import jinja2

from classify.inference import timeline_figure
from classify.inference.serve.options import ServeOptions
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


def heading(model: TrainedHead) -> str:
    """The heading: head, encoder and classes."""
    return _templates.get_template("heading.html.j2").render(model=model, card=model.card)


def invitation(options: ServeOptions) -> str:
    """The text before the first prediction."""
    return _templates.get_template("invitation.html.j2").render(options=options)


def refusal(reason: str) -> str:
    """The reason for which there is no prediction."""
    return _templates.get_template("refusal.html.j2").render(reason=reason)


def prediction(found: Prediction) -> str:
    """A prediction: probabilities as bars and the timeline, or the numbers of a regression."""
    shares = found.answer.probabilities
    return _templates.get_template("prediction.html.j2").render(
        ranked=sorted(shares.items(), key=lambda item: -item[1]),
        colours=dict(zip(shares, cycle(PALETTE), strict=False)),  # those of the timeline
        numbers=found.answer.numbers,
        warnings=found.answer.warnings.values(),
        seconds=found.seconds,
        timeline=_timeline(found),
    )


def card(model: TrainedHead, folder: Path) -> str:
    """The model card in Markdown, or a summary if there is none."""
    try:
        return (folder / MODEL_CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return _templates.get_template("facts.md.j2").render(model=model, card=model.card)


def program(address: str) -> str:
    """An example request for programs, in Markdown."""
    return _templates.get_template("program.md.j2").render(address=address)


def _timeline(found: Prediction) -> str:
    """The figure as a ``data:`` URL, so that no file has to be stored and removed."""
    with _DRAWING:
        image = as_bytes(timeline_figure.draw(found.timeline))
    return "data:image/png;base64," + base64.b64encode(image).decode()
