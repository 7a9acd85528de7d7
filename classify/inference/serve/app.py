"""The ASGI application: page, endpoint and middleware."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from starlette.types import ASGIApp

from classify.inference.serve import api, page
from classify.inference.serve.hosts import Hosts
from classify.inference.serve.middleware import Middleware
from classify.inference.serve.queue import RequestQueue
from classify.inference.serve.uploads import Uploads
from classify.models.trained import TrainedHead

POLL = 0.05  # seconds between Gradio's looks at its queue; 1 ms, its default, takes 6 % of a core
SWEEPS = 15.0  # seconds between sweeps of old uploads
FONTS = ("system-ui", "sans-serif")  # of the machine that shows the page: none is loaded
CODE = ("ui-monospace", "monospace")


def application(
    model: TrainedHead, folder: Path, requests: RequestQueue, uploads: Uploads, address: str
) -> ASGIApp:
    """The application for a model that was loaded from `folder`, served at `address`."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(uploads))
        yield
        sweeping.cancel()
        requests.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.include_router(api.routes(requests, uploads))
    blocks = page.page(model, folder, requests, uploads, address)
    blocks.queue(
        max_size=None
    )  # the queue is that of `RequestQueue`: one for the page and for programs
    blocks._queue.sleep_when_free = POLL
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
    return Middleware(app, uploads, Hosts(requests.options), requests.options.max_bytes)


async def _sweep(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(SWEEPS)
        uploads.sweep()
