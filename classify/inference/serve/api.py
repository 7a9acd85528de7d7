"""``POST /predict``: predict a recording, as JSON."""

import asyncio
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from classify.inference.serve.queue import Busy, Prediction, RequestQueue
from classify.inference.serve.uploads import Uploads
from data.errors import AudioError


def route(requests: RequestQueue, uploads: Uploads) -> Route:
    """The endpoint for programs."""

    async def predict(request: Request) -> Response:
        """Predict the recording in the request's body."""
        if request.headers.get("content-type", "").startswith("multipart/"):
            reason = "a form; send the recording itself, as 'curl -T FILE' does"
            return _line(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason)
        with uploads.place() as recording:
            with recording.open("wb") as file:
                async for chunk in request.stream():
                    file.write(chunk)
            answer = asyncio.ensure_future(requests.ask(recording, Prediction.as_json))
            gone = asyncio.ensure_future(_hung_up(request))
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not answer.done():
                answer.cancel()
                raise ClientDisconnect
        try:
            return JSONResponse(answer.result())
        except AudioError as error:
            return _line(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except Busy as error:
            return _line(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    return Route("/predict", predict, methods=["POST", "PUT"])


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _line(status: HTTPStatus, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status)
