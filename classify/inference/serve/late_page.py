"""A page that is built while the server already answers programs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send


class LatePage:
    """An ASGI application that `build` makes in a thread. Requests wait until it is ready; if
    `build` fails, they fail with its error."""

    def __init__(self, build: Callable[[], Starlette]) -> None:
        self._build = build
        self._ready: asyncio.Future[Starlette]

    @contextlib.asynccontextmanager
    async def opening(self) -> AsyncIterator[None]:
        """Begin to build, and close the application with the context."""
        self._ready = asyncio.get_running_loop().create_future()
        closing = asyncio.Event()
        opened = asyncio.create_task(self._open(closing))
        yield
        closing.set()
        await opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as soon as the application is ready."""
        app = await asyncio.shield(self._ready)
        await app(scope, receive, send)

    async def _open(self, closing: asyncio.Event) -> None:
        try:
            app = await asyncio.to_thread(self._build)
            async with app.router.lifespan_context(app):
                self._ready.set_result(app)
                await closing.wait()
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)
