"""The ASGI application: the endpoint for programs, the page, and the middleware around them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from classify.inference.serve.hosts import Hosts
from classify.inference.serve.middleware import Middleware, status_of
from classify.inference.serve.queue import Busy, Prediction, RequestQueue
from classify.inference.serve.uploads import Uploads
from classify.models.trained import TrainedHead
from data.errors import AudioError

SWEEPS = 15.0  # seconds between sweeps of old uploads


def application(
    model: TrainedHead, folder: Path, requests: RequestQueue, uploads: Uploads, address: str
) -> ASGIApp:
    """The application for a model that was loaded from `folder`, served at `address`.

    ``/predict`` answers at once; the page follows when Gradio is imported.
    """

    def build() -> Starlette:
        from classify.inference.serve import page

        return page.application(model, folder, requests, address)

    page = LatePage(build)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(uploads))
        async with page.opening():
            yield
        sweeping.cancel()
        requests.close()

    app = Starlette(routes=[endpoint(requests, uploads), Mount("/", page)], lifespan=lifespan)
    return Middleware(app, uploads, Hosts(requests.options), requests.options.max_bytes)


def endpoint(requests: RequestQueue, uploads: Uploads) -> Route:
    """``POST /predict``: predict the recording in the body, as JSON."""

    async def predict(request: Request) -> Response:
        if request.headers.get("content-type", "").startswith("multipart/"):
            reason = "a form; send the recording itself, as 'curl -T FILE' does\n"
            return PlainTextResponse(reason, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        with uploads.place() as recording:
            with recording.open("wb") as file:
                async for chunk in request.stream():
                    file.write(chunk)
            answer = asyncio.ensure_future(requests.ask(recording, Prediction.as_json))
            gone = asyncio.ensure_future(_disconnected(request))
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not answer.done():
                answer.cancel()
                raise ClientDisconnect
        try:
            return JSONResponse(answer.result())
        except (AudioError, Busy) as error:
            return PlainTextResponse(f"{error}\n", status_of(error))

    return Route("/predict", predict, methods=["POST", "PUT"])


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _sweep(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(SWEEPS)
        uploads.sweep()


class LatePage:
    """An ASGI application that `build` makes in a thread. Requests wait until it is ready; if
    `build` fails, they fail with its error."""

    def __init__(self, build: Callable[[], Starlette]) -> None:
        self._build = build
        self._ready: asyncio.Task[Starlette]

    @contextlib.asynccontextmanager
    async def opening(self) -> AsyncIterator[None]:
        """Begin to build, and close the application with the context."""
        async with contextlib.AsyncExitStack() as stack:
            self._ready = asyncio.create_task(self._open(stack))
            yield
            await asyncio.gather(self._ready, return_exceptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as soon as the application is ready."""
        app = await asyncio.shield(self._ready)
        await app(scope, receive, send)

    async def _open(self, stack: contextlib.AsyncExitStack) -> Starlette:
        app = await asyncio.to_thread(self._build)
        await stack.enter_async_context(app.router.lifespan_context(app))
        return app
