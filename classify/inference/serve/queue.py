"""A bounded queue of requests for one predictor."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from classify.inference.predictor import Answer, Predictor
from classify.inference.serve.batcher import Batcher
from classify.inference.serve.options import ServeOptions
from classify.inference.timeline import Timeline
from data.errors import AudioError, Wav2emoError
from data.utterance import Utterance
from extract import audio
from extract.decoding import Decoded, Refusal
from extract.sliding import Sliding, Track

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
            **self.answer.outside,
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
    """Predict recordings for a bounded number of requests.

    Recordings are decoded and results are formatted in threads. A `Batcher` predicts the recordings
    of all requests together: each as a whole, then its windows, at most one batch at a time, so
    that short recordings do not wait for all windows of a long one. When the queue is full, `Busy`
    is raised at once.

    Raises:
        UsageError: window or hop of the timeline is out of range.
    """

    def __init__(self, predictor: Predictor, options: ServeOptions) -> None:
        self.predictor = predictor
        self.options = options
        self._sliding = Sliding(options.window, options.hop)
        self._places = threading.BoundedSemaphore(options.queue + 1)
        self._batcher = Batcher(predictor)

    async def ask(self, recording: Path, form: Callable[[Prediction], Formatted]) -> Formatted:
        """Predict a recording and format the result by `form`, in a thread.

        A request that is cancelled leaves the queue, or its prediction stops.

        Raises:
            Busy: the queue is full.
            AudioError: the recording is refused.
        """
        if not self._places.acquire(blocking=False):
            raise Busy(f"{self.options.queue} recordings are waiting already; try again later")
        try:
            return await asyncio.to_thread(form, await self._predict(recording))
        finally:
            self._places.release()

    def close(self) -> None:
        """Cancel all requests."""
        self._batcher.close()

    async def _predict(self, path: Path) -> Prediction:
        whole, track, windows = await asyncio.to_thread(self._read, path)
        (answer,) = await self._answers([whole])
        sha256, seconds = whole.sha256, whole.seconds
        del whole  # minutes of samples
        engine = self.predictor.embedder.engine
        most = max(1, int(engine.batch_seconds / self._sliding.window))
        parts: list[Answer] = []
        while chunk := await asyncio.to_thread(lambda: list(islice(windows, most))):
            if isinstance(chunk[0], Decoded) and chunk[0].sha256 == sha256:
                parts = [replace(answer, utterance=chunk[0].utterance)]  # the only window
            else:
                parts += await self._answers(chunk)
        return Prediction(answer, seconds, self.predictor.collected(track, parts))

    def _read(self, path: Path) -> tuple[Decoded, Track, Iterator[Decoded | Refusal]]:
        """The whole recording, and its windows."""
        embedder = self.predictor.embedder
        try:
            waveform = audio.read(path, max_seconds=self.options.max_seconds).waveform
        except FileNotFoundError:
            raise AudioError("the recording was removed; send it again") from None
        utterance = Utterance(path.name, "", path.parent, path.name)
        whole = embedder.decode(utterance, waveform)
        if isinstance(whole, Refusal):
            raise AudioError(whole.reason)
        blocks = (waveform[n : n + audio.BLOCK] for n in range(0, len(waveform), audio.BLOCK))
        track = Track(utterance, blocks)
        return whole, track, track.windows(self._sliding, embedder)

    async def _answers(self, items: Sequence[Decoded | Refusal]) -> list[Answer]:
        """Predict items together with those of other requests."""
        answers = []
        for answer in await asyncio.wrap_future(self._batcher.submit(items)):
            if isinstance(answer, Refusal):
                raise AudioError(answer.reason)
            answers.append(answer)
        return answers
