"""The page on which a recording is made or dropped, and its predictions are shown."""

from pathlib import Path

import gradio as gr

from classify.inference.serve import render
from classify.inference.serve.queue import Prediction, RequestQueue
from classify.inference.serve.uploads import Uploads
from classify.models.trained import TrainedHead
from data.errors import AudioError, Wav2emoError

TITLE = "wav2emo"


def page(
    model: TrainedHead, folder: Path, requests: RequestQueue, uploads: Uploads, address: str
) -> gr.Blocks:
    """The page of a model that was loaded from `folder`, served at `address`."""

    async def show(sent: str | None) -> str:
        if sent is None:
            return render.invitation(requests.options)
        try:
            with uploads.hold(sent) as recording:
                return await requests.ask(recording, render.prediction)
        except Wav2emoError as error:
            return render.refusal(str(error))

    async def predict(sent: str | None) -> dict:
        try:
            if sent is None:
                raise AudioError("no recording was sent")
            with uploads.hold(sent) as recording:
                return await requests.ask(recording, Prediction.as_json)
        except Wav2emoError as error:
            raise gr.Error(str(error), print_exception=False) from None

    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.HTML(render.heading(model), padding=False)
        recorder = gr.Audio(
            label="Recording",
            sources=["upload", "microphone"],
            type="filepath",
            editable=False,
            buttons=[],
        )
        result = gr.HTML(render.invitation(requests.options), padding=False)
        with gr.Accordion("Model card", open=False):
            gr.Markdown(render.card(model, folder))
        with gr.Accordion("From a program", open=False):
            gr.Markdown(render.program(address))
        recorder.change(show, recorder, result, api_visibility="private", concurrency_limit=None)
        answer = gr.JSON(visible=False)
        trigger = gr.Button(visible=False)
        trigger.click(predict, recorder, answer, api_name="predict", concurrency_limit=None)
    return blocks
