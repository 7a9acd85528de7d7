"""Decode utterances in threads, ahead of the engine that needs them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from data.errors import AudioError
from data.utterance import Utterance
from extract import audio
from extract.engines import Engine
from extract.logmel import baselines

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Decoded:
    """An utterance's samples, ready for an engine."""

    utterance: Utterance
    waveform: npt.NDArray[np.float32]  # (sample,), normalised if the recipe says so
    seconds: float
    sha256: str  # of the audio file
    baselines: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)  # name → (dim,)


@dataclass(frozen=True)
class Refusal:
    """An utterance that cannot be embedded, and why."""

    utterance: Utterance
    reason: str
    seconds = 0.0  # of audio that waits for an engine
    refused = True  # False of an answer

    def row(self) -> dict[str, str]:
        """The record of a refused utterance."""
        return {
            "id": self.utterance.id,
            "file": str(self.utterance.file),
            "reason": self.reason,
        }


class Checksums:
    """SHA-256 of files, None if one cannot be read; of a recording with many segments, once."""

    def __init__(self) -> None:
        self._last: tuple[Path, str] | None = None

    def __call__(self, file: Path) -> str | None:
        last = self._last
        if last and last[0] == file:
            return last[1]
        try:
            found = audio.checksum(file)
        except OSError:
            return None
        self._last = (file, found)
        return found


def decode(
    utterance: Utterance, engine: Engine, max_seconds: float, sha256: str | None = None
) -> Decoded | Refusal:
    """Decode one utterance as `engine` wants it, or say why that cannot be done.

    `sha256` is that of the file, if it is known already.
    """
    try:
        recording = audio.read(
            utterance.file,
            utterance.start,
            utterance.end,
            max_seconds,
            engine.receptive_field,
            sha256,
        )
    except AudioError as error:
        return Refusal(utterance, str(error))
    except OSError as error:
        return Refusal(utterance, error.strerror or str(error))
    return _ready(utterance, recording, engine)


def prepare(
    utterance: Utterance, waveform: audio.Waveform, engine: Engine, max_seconds: float
) -> Decoded | Refusal:
    """What `decode` makes of a file, of a (sample,) waveform at 16 kHz that is in memory."""
    try:
        recording = audio.from_memory(waveform, max_seconds, engine.receptive_field)
    except AudioError as error:
        return Refusal(utterance, str(error))
    return _ready(utterance, recording, engine)


def _ready(utterance: Utterance, recording: audio.Recording, engine: Engine) -> Decoded:
    waveform = recording.waveform
    without_model = baselines(waveform, engine.recipe.get("baselines", ()))
    if engine.recipe["normalisation"] != "none":
        waveform = audio.normalise(waveform)
    return Decoded(utterance, waveform, recording.seconds, recording.sha256, without_model)


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Like ``map``, in order, but computed in threads before they are asked for.

    Only twice as many results as threads wait: each may be ten minutes of audio.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the one before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        try:
            coming = pool.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = pool.submit(next, items, None)
                yield item
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
