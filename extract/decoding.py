"""Decode utterances in threads, ahead of the engine."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from data.errors import AudioError
from data.utterance import Utterance
from extract import audio
from extract.audio import MAX_SECONDS
from extract.engines import Engine
from extract.fingerprint import fingerprint
from extract.quality import Quality, quality

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Decoded:
    """The samples of an utterance, ready for an engine."""

    utterance: Utterance
    waveform: npt.NDArray[np.float32]  # (sample,), normalised if the recipe requires it
    seconds: float
    sha256: str  # of the audio file
    baselines: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)  # name → (dim,)
    fingerprint: str = ""  # where it is known what the encoder was trained on
    achieved: float | None = None  # level of the condition, as it was measured
    quality: Quality | None = None


@dataclass(frozen=True)
class Refusal:
    """An utterance that cannot be embedded, and the reason."""

    utterance: Utterance
    reason: str
    seconds = 0.0  # of audio for the engine
    refused = True  # predictions have False

    def row(self) -> dict[str, str]:
        """The entry of the list of refused utterances."""
        return {
            "id": self.utterance.id,
            "file": str(self.utterance.file),
            "reason": self.reason,
        }


def checksums() -> Callable[[Path], str | None]:
    """Make a function from a file to its SHA-256, which is None if the file cannot be read.

    It is computed once for consecutive segments of a recording.
    """

    @lru_cache(maxsize=8)
    def checksum(file: Path) -> str | None:
        try:
            return audio.checksum(file)
        except OSError:
            return None

    return checksum


def decode(
    utterance: Utterance,
    engine: Engine,
    max_seconds: float = MAX_SECONDS,
    sha256: str | None = None,
    waveform: audio.Waveform | None = None,
) -> Decoded | Refusal:
    """Decode one utterance, and prepare it for an engine.

    Args:
        utterance: the utterance.
        engine: for which its samples are.
        max_seconds: longer utterances are refused.
        sha256: checksum of its file, if it is known.
        waveform: (sample,) at 16 kHz, which is not normalised, in place of the file.
    """
    shortest = engine.receptive_field
    try:
        if waveform is not None:
            recording = audio.from_memory(waveform, max_seconds, shortest)
        else:
            read = audio.read if utterance.condition is None else _read
            segment = utterance.start, utterance.end
            recording = read(utterance.file, *segment, max_seconds, shortest, sha256)
        return _ready(utterance, recording, engine, max_seconds)
    except AudioError as error:
        return Refusal(utterance, str(error))
    except OSError as error:
        return Refusal(utterance, error.strerror or str(error))


def _read(file: Path, *arguments: Any) -> audio.Recording:
    """`audio.read`, once for consecutive conditions of an utterance."""
    state = file.stat()
    return _last_read(file, state.st_size, state.st_mtime_ns, *arguments)


@lru_cache(maxsize=4)  # as many as threads may need at once; ten minutes have 38 MB
def _last_read(file: Path, size: int, changed: int, *arguments: Any) -> audio.Recording:
    recording = audio.read(file, *arguments)
    recording.waveform.flags.writeable = False
    return recording


def _ready(
    utterance: Utterance, recording: audio.Recording, engine: Engine, max_seconds: float
) -> Decoded:
    waveform, sha256 = recording.waveform, recording.sha256
    bits = fingerprint(waveform) if engine.recipe.get("trained_on") else ""
    achieved = None
    if utterance.condition is not None:
        from extract.degradations import degrade  # late: a prediction needs neither it nor scipy

        try:
            degraded, achieved = degrade(waveform, utterance)
            recording = audio.from_memory(degraded, max_seconds, engine.receptive_field)
        except AudioError as error:
            raise AudioError(f"as {utterance.condition.name}: {error}") from None
        waveform = recording.waveform
    without_model = {}
    if names := engine.recipe.get("baselines"):
        from extract.baselines import baselines  # late: a prediction needs neither them nor scipy

        without_model = baselines(waveform, names)
    measured = quality(waveform)
    if engine.recipe["normalisation"] != "none":
        waveform = audio.normalise(waveform)
    return Decoded(
        utterance, waveform, recording.seconds, sha256, without_model, bits, achieved, measured
    )


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 2
) -> Iterator[Result]:
    """Compute ``map(function, items)`` in threads, ahead of the consumer and in order.

    At most twice as many results as threads wait, since each may be ten minutes of audio.
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
    """Yield `items`, and compute the next one in a thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        try:
            following = pool.submit(next, items, None)
            while (item := following.result()) is not None:
                following = pool.submit(next, items, None)
                yield item
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
