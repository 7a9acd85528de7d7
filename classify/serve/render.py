"""The words and pictures of the page."""

import base64
import io
from pathlib import Path

import jinja2

from classify.model import Model
from classify.report import timeline_figure
from classify.report.style import style
from classify.serve.desk import Heard
from classify.serve.options import ServeOptions
from extract.audio import SAMPLING_RATE

MODEL_CARD = "README.md"
DPI = 160  # of the timeline: sharp on a screen, and small
EXAMPLES = """\
```
curl -T recording.wav http://HOST:PORT/predict
```

```python
from gradio_client import Client, handle_file

Client("http://HOST:PORT").predict(handle_file("recording.wav"), api_name="/predict")
```
"""

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def heading(model: Model) -> str:
    """What the model is, above everything."""
    return _templates.get_template("heading.html.j2").render(model=model, card=model.card)


def invitation(options: ServeOptions) -> str:
    """What stands in place of an answer before there is one."""
    return _templates.get_template("invitation.html.j2").render(options=options)


def refusal(reason: str) -> str:
    """Why there is no answer."""
    return _templates.get_template("refusal.html.j2").render(reason=reason)


def heard(found: Heard) -> str:
    """The answer: probabilities as bars, and the timeline; or the numbers of a regression."""
    ranked = sorted(found.answer.probabilities.items(), key=lambda item: -item[1])
    return _templates.get_template("heard.html.j2").render(
        answer=found.answer,
        ranked=ranked,
        seconds=found.recording.seconds,
        timeline=_timeline(found),
    )


def card(model: Model, folder: Path) -> str:
    """The model card in Markdown, or the facts of a model that has none."""
    try:
        return (folder / MODEL_CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return _templates.get_template("facts.md.j2").render(model=model, card=model.card)


def _timeline(found: Heard) -> str:
    """The figure as a ``data:`` address: a file of its own would have to be kept and cleaned up."""
    image = io.BytesIO()
    figure = timeline_figure.draw(found.timeline, found.recording.waveform, SAMPLING_RATE)
    with style():
        figure.savefig(image, format="png", dpi=DPI)
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
