"""The page on which a recording is made or dropped, and its predictions are shown."""

from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from classify.inference.serve import render
from classify.inference.serve.queue import Prediction, RequestQueue
from classify.inference.serve.uploads import Uploads
from classify.models.trained import TrainedHead
from data.errors import AudioError, Wav2emoError

TITLE = "wav2emo"
POLL = 0.05  # seconds between Gradio's looks at its queue; 1 ms, its default, takes 6 % of a core
FONTS = ("system-ui", "sans-serif")  # of the machine that shows the page: none is loaded
CODE = ("ui-monospace", "monospace")


def application(
    model: TrainedHead, folder: Path, requests: RequestQueue, uploads: Uploads, address: str
) -> FastAPI:
    """The page of a model that was loaded from `folder`, served at `address`."""
    blocks = _blocks(model, folder, requests, uploads, address)
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


def _blocks(
    model: TrainedHead, folder: Path, requests: RequestQueue, uploads: Uploads, address: str
) -> gr.Blocks:
    invitation = render.fragment("invitation.html.j2", options=requests.options)

    async def show(sent: str | None) -> str:
        if sent is None:
            return invitation
        try:
            with uploads.hold(sent) as recording:
                return await requests.ask(recording, render.prediction)
        except Wav2emoError as error:
            return render.fragment("refusal.html.j2", reason=str(error))

    async def predict(sent: str | None) -> dict:
        try:
            if sent is None:
                raise AudioError("no recording was sent")
            with uploads.hold(sent) as recording:
                return await requests.ask(recording, Prediction.as_json)
        except Wav2emoError as error:
            raise gr.Error(str(error), print_exception=False) from None

    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.HTML(render.fragment("heading.html.j2", model=model, card=model.card), padding=False)
        recorder = gr.Audio(
            label="Recording",
            sources=["upload", "microphone"],
            type="filepath",
            editable=False,
            buttons=[],
        )
        result = gr.HTML(invitation, padding=False)
        with gr.Accordion("Model card", open=False):
            gr.Markdown(render.card(model, folder))
        with gr.Accordion("From a program", open=False):
            gr.Markdown(render.fragment("program.md.j2", address=address))
        recorder.change(show, recorder, result, api_visibility="private", concurrency_limit=None)
        answer = gr.JSON(visible=False)
        trigger = gr.Button(visible=False)
        trigger.click(predict, recorder, answer, api_name="predict", concurrency_limit=None)
    return blocks
