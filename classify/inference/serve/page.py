"""The page on which a recording is made or dropped, and its predictions are shown."""

import base64
import threading
from itertools import cycle
from pathlib import Path

import gradio as gr
import jinja2
from fastapi import FastAPI

from classify.inference import timeline_figure
from classify.inference.serve.queue import Prediction, RequestQueue
from classify.models.trained import TrainedHead
from classify.report.style import PALETTE, as_bytes
from data.errors import AudioError, Wav2emoError

TITLE = "wav2emo"
POLL = 0.05  # seconds between Gradio's looks at its queue; 1 ms, its default, takes 6 % of a core
FONTS = ("system-ui", "sans-serif")  # of the machine that shows the page: none is loaded
CODE = ("ui-monospace", "monospace")
MODEL_CARD = "README.md"
_DRAWING = threading.Lock()  # matplotlib's settings are global

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def application(model: TrainedHead, folder: Path, requests: RequestQueue, address: str) -> FastAPI:
    """The page of a model that was loaded from `folder`, served at `address`."""
    blocks = _blocks(model, folder, requests, address)
    blocks.queue(max_size=None)  # `RequestQueue` limits the page and programs together
    blocks._queue.sleep_when_free = POLL
    app = FastAPI(openapi_url=None)
    gr.mount_gradio_app(
        app,
        blocks,
        "/",
        css_paths=Path(__file__).with_name("page.css"),
        theme=gr.themes.Base(font=FONTS, font_mono=CODE),
        max_file_size=requests.options.max_bytes,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
    )
    return app


def _blocks(model: TrainedHead, folder: Path, requests: RequestQueue, address: str) -> gr.Blocks:
    invitation = fragment("invitation.html.j2", options=requests.options)

    async def show(sent: str | None) -> str:
        if sent is None:
            return invitation
        try:
            return await requests.ask(Path(sent), prediction)
        except Wav2emoError as error:
            return fragment("refusal.html.j2", reason=str(error))

    async def predict(sent: str | None) -> dict:
        try:
            if sent is None:
                raise AudioError("no recording was sent")
            return await requests.ask(Path(sent), Prediction.as_json)
        except Wav2emoError as error:
            raise gr.Error(str(error), print_exception=False) from None

    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.HTML(fragment("heading.html.j2", model=model, card=model.card), padding=False)
        recorder = gr.Audio(
            label="Recording",
            sources=["upload", "microphone"],
            type="filepath",
            editable=False,
            buttons=[],
        )
        result = gr.HTML(invitation, padding=False)
        with gr.Accordion("Model card", open=False):
            gr.Markdown(card(model, folder))
        with gr.Accordion("From a program", open=False):
            gr.Markdown(fragment("program.md.j2", address=address))
        recorder.change(show, recorder, result, api_visibility="private", concurrency_limit=None)
        answer = gr.JSON(visible=False)
        trigger = gr.Button(visible=False)
        trigger.click(predict, recorder, answer, api_name="predict", concurrency_limit=None)
    return blocks


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
