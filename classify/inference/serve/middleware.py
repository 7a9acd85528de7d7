"""ASGI middleware: allow-list of paths, hosts and origins, size limits, security headers."""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classify.inference.serve.hosts import Hosts
from classify.inference.serve.options import MEGABYTE
from classify.inference.serve.queue import Busy
from classify.inference.serve.uploads import Uploads
from data.errors import AudioError

FRAME = 64_000  # bytes of an upload that are not the recording, and of any other request
STALLED = 30.0  # seconds without a byte after which an upload is given up
LINGER = 5.0  # seconds in which a client that is refused may still send, so that it reads why
UPLOADS = {("POST", "/gradio_api/upload"), ("POST", "/predict"), ("PUT", "/predict")}
FILE = "/gradio_api/file="
# What the page and gradio_client need of Gradio's many addresses
READ = re.compile(
    r"/|/config/?|/favicon\.ico|/theme\.css|/manifest\.json|/(assets|static|svelte)/.*"
    r"|/gradio_api/(info/?|startup-events|upload_progress|queue/data|heartbeat/\w+|call/\w+/\w+)"
)
WRITE = re.compile(r"/gradio_api/(upload|queue/join|cancel|reset/?|call/\w+/?)|/predict")
HEADERS = {
    "Content-Security-Policy": "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Middleware:
    """Refuse requests before their body is read, and add headers so that browsers load nothing from
    other servers."""

    def __init__(self, app: ASGIApp, uploads: Uploads, hosts: Hosts, max_bytes: int) -> None:
        self.app = app
        self.uploads = uploads
        self.hosts = hosts
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it to the application."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # Gradio has no use for websockets
            return await send({"type": "websocket.close"})
        if reason := self.hosts.refused(scope) or self._refused(scope):
            return await _refuse(*reason, scope, receive, send)
        uploading = _is_upload(scope)
        try:
            with self.uploads.room(_size(scope)) if uploading else contextlib.nullcontext():
                if uploading:
                    receive = _patient(receive)
                elif scope["method"] == "POST":
                    receive = await self._checked(scope, receive)
                await self.app(_without_origin(scope), receive, _marked(send))
        except (AudioError, Busy) as error:
            await _refuse(status_of(error), str(error), scope, receive, send)
        except ClientDisconnect:  # during an upload, whose data is swept later
            pass
        return None

    def _refused(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """The reason for which the body of a request is not read: a path that is not allowed, or
        its size."""
        if not self._open(scope["method"], scope["path"]):
            return HTTPStatus.NOT_FOUND, "nothing here"
        if "transfer-encoding" in Headers(scope=scope):
            reason = "the header Content-Length is missing, so its size cannot be checked"
            return HTTPStatus.LENGTH_REQUIRED, reason
        size, uploading = _size(scope), _is_upload(scope)
        if size <= FRAME + (self.max_bytes if uploading else 0):
            return None
        too_large = f"a request of {size:,} bytes; at most {FRAME:,} are read"
        if uploading:
            too_large = (
                f"{size / MEGABYTE:,.0f} MB is more than the {self.max_bytes / MEGABYTE:g} MB "
                "taken; cut the recording, or send it as FLAC"
            )
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large

    def _open(self, method: str, path: str) -> bool:
        if method in ("GET", "HEAD"):
            if path.startswith(FILE):
                return self.uploads.holds(path.removeprefix(FILE))
            return READ.fullmatch(path) is not None
        return method in ("POST", "PUT") and WRITE.fullmatch(path) is not None

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """Read the body of a Gradio request, and require that all files are uploads. (Gradio would
        also download URLs.)

        Raises:
            AudioError: the body names another file or a URL.
        """
        body = await Request(scope, receive).body()
        try:
            request = json.loads(body or b"{}")
            paths = list(_paths(request))
        except (ValueError, RecursionError):
            raise AudioError("not JSON") from None
        if not all(isinstance(path, str) and self.uploads.holds(path) for path in paths):
            raise AudioError("a file that was not uploaded here; send the recording itself")
        same = json.dumps(request).encode() if body else b""  # what was checked is passed on
        messages = iter([{"type": "http.request", "body": same, "more_body": False}])

        async def again() -> Message:
            return next(messages, None) or await receive()

        return again


def status_of(error: AudioError | Busy) -> HTTPStatus:
    """The status of a recording that is refused, or of a request that may succeed later."""
    busy = isinstance(error, Busy)
    return HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.UNPROCESSABLE_ENTITY


def _without_origin(scope: Scope) -> Scope:
    """Gradio would allow the page of another site that sends a request to read the response."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
    return {**scope, "headers": headers}


def _is_upload(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) in UPLOADS


def _size(scope: Scope) -> int:
    """The length that the request declares; the server reads no more than that."""
    return int(Headers(scope=scope).get("content-length", 0))


def _paths(request: Any) -> Iterator[Any]:
    """Every ``path`` in a JSON value."""
    if isinstance(request, dict):
        if "path" in request:
            yield request["path"]
        for value in request.values():
            yield from _paths(value)
    elif isinstance(request, list):
        for value in request:
            yield from _paths(value)


def _marked(send: Send) -> Send:
    """Add `HEADERS` to the response."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sending


def _patient(receive: Receive) -> Receive:
    """Treat a client that sends nothing for `STALLED` seconds as disconnected."""
    whole = False

    async def receiving() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), STALLED)
        except TimeoutError:
            return {"type": "http.disconnect"}
        whole = not message.get("more_body", False)
        return message

    return receiving


async def _refuse(
    status: HTTPStatus, reason: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Respond with one line of text. The rest of the body is read for a while and dropped, since
    clients with a broken connection do not read the response."""

    async def lingering(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b""})

    response = PlainTextResponse(f"{reason}\n", status, {"Connection": "close"})
    await response(scope, receive, _marked(lingering))
