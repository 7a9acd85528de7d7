"""One predictor, and a bounded queue of requests for it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from classify.inference.predictor import Answer, Predictor
from classify.inference.serve.options import ServeOptions
from classify.inference.timeline import Timeline
from data.errors import AudioError, Wav2emoError
from data.utterance import Utterance
from extract import audio
from extract.decoding import Refusal
from extract.sliding import Silence, Sliding, Track

Formatted = TypeVar("Formatted")


class Busy(Wav2emoError):
    """The queue is full; the same request may succeed later."""


@dataclass(frozen=True)
class Prediction:
    """The predictions for one recording."""

    answer: Answer
    seconds: float
    timeline: Timeline

    def as_json(self) -> dict[str, Any]:
        """The answer and the windows of the timeline, None for silence, as plain JSON."""
        line = self.timeline
        rows = zip(line.starts, line.ends, line.probabilities, strict=True)
        return {
            "seconds": round(self.seconds, 3),
            **self.answer.result,
            "timeline": [
                {
                    "start": round(float(start), 3),
                    "end": round(float(end), 3),
                    "numbers" if line.regression else "probabilities": None
                    if np.isnan(row).any()
                    else dict(zip(line.classes, row.tolist(), strict=True)),
                }
                for start, end, row in rows
            ],
        }


class RequestQueue:
    """Predict one recording at a time.

    Some requests wait meanwhile. When the queue is full, `Busy` is raised at once.

    Raises:
        UsageError: window or hop of the timeline is out of range.
    """

    def __init__(self, predictor: Predictor, options: ServeOptions) -> None:
        self.predictor = predictor
        self.options = options
        self._sliding = Sliding(options.window, options.hop)
        self._places = threading.BoundedSemaphore(options.queue + 1)
        self._closed = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="listen")

    async def ask(self, recording: Path, form: Callable[[Prediction], Formatted]) -> Formatted:
        """Predict a recording and format the result by `form`, both in the predictor's thread.

        A request that is cancelled leaves the queue, or its prediction stops.

        Raises:
            Busy: the queue is full.
            AudioError: the recording is refused.
        """
        if not self._places.acquire(blocking=False):
            raise Busy(f"{self.options.queue} recordings are waiting already; try again later")
        gone = threading.Event()
        job = self._worker.submit(lambda: form(self._predict(recording, gone)))
        job.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            gone.set()
            raise

    def close(self) -> None:
        """Refuse new requests and stop the current one."""
        self._closed.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _predict(self, path: Path, gone: threading.Event) -> Prediction:
        recording = audio.read(path, max_seconds=self.options.max_seconds)
        (answer,) = self.predictor.waveforms([recording.waveform])
        if isinstance(answer, Refusal):
            raise AudioError(answer.reason)
        track = Track(Utterance(path.name, "", path.parent, path.name))
        parts: list[Any] = []
        for _, part in self.predictor.windows([track], self._sliding):
            if gone.is_set() or self._closed.is_set():
                raise Busy("the request has been cancelled")
            if isinstance(part, Refusal) and not isinstance(part, Silence):
                raise AudioError(part.reason)
            parts.append(part)
        return Prediction(answer, recording.seconds, self.predictor.collected(track, parts))
