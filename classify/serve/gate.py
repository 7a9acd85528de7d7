"""What stands before the page: few doors, small parcels, and nothing from elsewhere."""

import asyncio
import contextlib
import re
from http import HTTPStatus
from urllib.parse import unquote

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classify.serve.desk import Busy
from classify.serve.uploads import Uploads

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


class Gate:
    """Wraps the page's application: refuses before anything is read, and tells browsers to load
    nothing from anywhere else."""

    def __init__(self, app: ASGIApp, uploads: Uploads, max_bytes: int) -> None:
        self.app = app
        self.uploads = uploads
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # Gradio has no use for websockets
            return await send({"type": "websocket.close"})
        method, path = scope["method"], scope["path"]
        if not self._open(method, path):
            return await _refuse(HTTPStatus.NOT_FOUND, "nothing here", scope, receive, send)
        uploading = (method, path.rstrip("/")) in UPLOADS
        headers = dict(scope["headers"])
        size = int(headers.get(b"content-length", 0))  # that it is a number, the server has seen
        if b"transfer-encoding" in headers:
            reason = "the length is not told (Content-Length), so it cannot be checked"
            return await _refuse(HTTPStatus.LENGTH_REQUIRED, reason, scope, receive, send)
        if size > FRAME + (self.max_bytes if uploading else 0):
            return await _refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._too_large(size), scope, receive, send
            )
        try:
            with self.uploads.room(size) if uploading else contextlib.nullcontext():
                await self.app(scope, _patient(receive) if uploading else receive, _marked(send))
        except Busy as error:
            await _refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error), scope, receive, send)
        except ClientDisconnect:  # in the middle of an upload; what came of it is swept
            pass

    def _open(self, method: str, path: str) -> bool:
        if method in ("GET", "HEAD"):
            if path.startswith(FILE):
                asked = unquote(path.removeprefix(FILE))
                return asked.startswith(f"{self.uploads.sent}/") and ".." not in asked
            return READ.fullmatch(path) is not None
        return method in ("POST", "PUT") and WRITE.fullmatch(path) is not None

    def _too_large(self, size: int) -> str:
        return (
            f"{size / 1e6:,.0f} MB is more than the {self.max_bytes / 1e6:g} MB taken; cut the "
            "recording, or send it as FLAC"
        )


def _marked(send: Send) -> Send:
    """Adds `HEADERS` to the response."""
    added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


def _patient(receive: Receive) -> Receive:
    """Takes a client that sends nothing for `STALLED` seconds for one that has hung up."""
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
    """One line of text. What the client is still sending is read for a while and dropped: it would
    otherwise find its connection broken, and never look at the answer."""

    async def lingering(message: Message) -> None:
        if message["type"] != "http.response.body":
            return await send(message)
        await send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b""})

    response = PlainTextResponse(f"{reason}\n", status, {"Connection": "close"})
    await response(scope, receive, _marked(lingering))
