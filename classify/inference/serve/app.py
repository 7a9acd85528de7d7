"""The ASGI application: page, endpoint and middleware."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from classify.inference.serve import api
from classify.inference.serve.hosts import Hosts
from classify.inference.serve.late_page import LatePage
from classify.inference.serve.middleware import Middleware
from classify.inference.serve.queue import RequestQueue
from classify.inference.serve.uploads import Uploads
from classify.models.trained import TrainedHead

SWEEPS = 15.0  # seconds between sweeps of old uploads


def application(
    model: TrainedHead, folder: Path, requests: RequestQueue, uploads: Uploads, address: str
) -> ASGIApp:
    """The application for a model that was loaded from `folder`, served at `address`.

    ``/predict`` answers at once; the page follows when Gradio is imported.
    """

    def build() -> Starlette:
        from classify.inference.serve import page

        return page.application(model, folder, requests, uploads, address)

    page = LatePage(build)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(uploads))
        async with page.opening():
            yield
        sweeping.cancel()
        requests.close()

    app = Starlette(routes=[api.route(requests, uploads), Mount("/", page)], lifespan=lifespan)
    return Middleware(app, uploads, Hosts(requests.options), requests.options.max_bytes)


async def _sweep(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(SWEEPS)
        uploads.sweep()
