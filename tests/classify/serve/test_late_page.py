"""The page is built while the server already answers programs."""

import asyncio
import contextlib
import importlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

pytest.importorskip("starlette", reason="needs the extra [serve]")
app = importlib.import_module("classify.inference.serve.app")
applications = importlib.import_module("starlette.applications")
responses = importlib.import_module("starlette.responses")
routing = importlib.import_module("starlette.routing")


def asked(build: Callable[[], Any], work: Callable[[httpx.AsyncClient], Awaitable]) -> None:
    """Run `work` with a client of a page that `build` makes."""

    async def run() -> None:
        page = app.LatePage(build)
        transport = httpx.ASGITransport(page, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        async with page.opening(), client:
            await work(client)

    asyncio.run(run())


def test_requests_wait_for_the_page() -> None:
    go_on, events = threading.Event(), []

    def build() -> Any:
        assert go_on.wait(60)

        async def hello(_: Any) -> Any:
            return responses.PlainTextResponse("hello")

        @contextlib.asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            events.append("opened")
            yield
            events.append("closed")

        return applications.Starlette(routes=[routing.Route("/", hello)], lifespan=lifespan)

    async def work(client: httpx.AsyncClient) -> None:
        waiting = [asyncio.ensure_future(client.get("/")) for _ in range(3)]
        done, _ = await asyncio.wait(waiting, timeout=0.1)
        assert not done
        go_on.set()
        assert [answer.text for answer in await asyncio.gather(*waiting)] == ["hello"] * 3
        assert events == ["opened"]

    asked(build, work)
    assert events == ["opened", "closed"]


def test_a_page_that_cannot_be_built_fails_each_request() -> None:
    def build() -> Any:
        raise ImportError("a broken installation")

    async def work(client: httpx.AsyncClient) -> None:
        for _ in range(2):
            assert (await client.get("/")).status_code == 500

    asked(build, work)
