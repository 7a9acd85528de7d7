"""Tasks of an extraction on Dask: open the encoder once a worker, embed chunks, publish shards.

The client (`extract.parallel.dask`) submits these functions. A worker embeds a chunk by the same
function as an extraction without Dask, publishes shards beside the cache, and returns names and
counts. Meanwhile it holds the claim of the cache, so that no other recipe can use the cache.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.cache.file import parts_folder
from data.cache.recipe import Recipe, canonical, differences
from data.cache.shards import CLAIM, Shards
from data.errors import CacheError, RecipeMismatch, Wav2emoError
from data.utterance import Utterance
from extract.audio import checksum
from extract.engines import Engine
from extract.parallel.paths import parse_prefix, placed
from extract.pipeline import Portion, Settings, claimed, embed_missing
from extract.summary import Summary

AUDIO_PREFIX = "WAV2EMO_AUDIO_PREFIX"  # as --audio-prefix, for the recordings of a worker


@dataclass(frozen=True)
class Job:
    """Options that all chunks of an extraction share."""

    run: str  # unique name
    # opens the encoder; its open options are taken from the recipe. It must be picklable
    open: Callable[[Recipe | None], Engine]
    cache: Path
    settings: Settings  # without callbacks
    recipe: Recipe | None = None  # None: any
    transformers: str | None = None  # version; None: any


@dataclass(frozen=True)
class Opened:
    """The encoder that a worker has opened."""

    recipe: dict[str, Any]
    provenance: dict[str, Any]
    suggests_bfloat16: bool

    @property
    def transformers(self) -> str:
        """Version of the library that defines the encoder.

        It is not part of a recipe, but all workers of a run must have the same.
        """
        return str(self.provenance.get("transformers"))

    @property
    def what(self) -> tuple[str, str]:
        """The settings that all workers of a run must share."""
        return canonical(self.recipe), self.transformers


@dataclass(frozen=True)
class Report:
    """The outcome of a chunk."""

    worker: str  # address
    took: float  # seconds
    summary: Summary
    unfit: Exception | None  # why this worker is not used any more


class OtherFiles(CacheError):
    """The files of a worker differ from the files of the client."""


@dataclass(frozen=True)
class _Portion(Portion):
    """The utterances of a chunk; the client packs them."""

    stored: Mapping[str, str]

    def known(self, parts: Shards) -> Mapping[str, str]:
        """The content of the cache, as the client has read it."""
        return self.stored


class _Stop(Exception):
    """Ends a chunk early, after its embedded utterances are published."""


@dataclass
class _Process:
    """State of a worker process between chunks."""

    run: str = ""
    engine: Engine | None = None
    ended: set[str] = field(default_factory=set)  # runs that have ended or have to stop
    lock: threading.Lock = field(default_factory=threading.Lock)  # one chunk at a time


_process = _Process()


def introduce(job: Job) -> Opened:
    """Open the encoder and describe it.

    Raises:
        RecipeMismatch: the recipe of the encoder differs from the job's.
        EncoderError, UsageError: the encoder cannot be opened on this worker.
    """
    with _process.lock:
        engine = _engine(job)
        return Opened(engine.recipe, engine.provenance, engine.suggests_bfloat16)


def embed_chunk(
    job: Job,
    utterances: Sequence[Utterance],
    known: Mapping[str, str],
    present: Mapping[str, str],
) -> Report:
    """Embed a chunk and publish it.

    After any error, this worker is not used any more: other workers embed its chunks, and a
    worker that is defective cannot refuse the utterances of all chunks one after the other.

    Args:
        job: the job of the run.
        utterances: utterances of the chunk.
        known: what the cache contains, see `Claimed`.
        present: ids of the utterances whose files the client has → SHA-256 of the recording,
            which is computed for one of them, else "".
    """
    began, summary = time.monotonic(), Summary()
    unfit: Exception | None = None
    with _process.lock:
        try:
            if job.run not in _process.ended:
                summary = _embed(job, utterances, known, present)
        except (OSError, ImportError, Wav2emoError) as error:
            unfit = error
        except Exception as error:  # of any type, which the client may not be able to unpickle
            unfit = Wav2emoError(f"{type(error).__name__}: {error}")
    return Report(_worker().address, time.monotonic() - began, summary, unfit)


def _embed(
    job: Job,
    utterances: Sequence[Utterance],
    known: Mapping[str, str],
    present: Mapping[str, str],
) -> Summary:
    engine = _engine(job)
    folder = parts_folder(job.cache)
    if not (folder / CLAIM).exists():
        raise OtherFiles(
            f"{folder} does not exist there; workers must share the file system of the "
            "cache, under the same path"
        )
    if prefixes := os.environ.get(AUDIO_PREFIX):
        pairs = [parse_prefix(text) for text in prefixes.split(os.pathsep)]
        utterances = placed(utterances, pairs)
    for utterance in utterances:
        if utterance.id in present:
            _compare(utterance, present[utterance.id])

    def go_on(_: float) -> None:
        if job.run in _process.ended:
            raise _Stop

    settings = replace(job.settings, watch=go_on)
    with suppress(_Stop), claimed(_Portion(utterances, known), engine.recipe, job.cache) as claim:
        embed_missing(utterances, [claim], engine, [engine], settings)
    return claim.summary


def files(utterance: Utterance) -> list[Path]:
    """The recording of an utterance, and the first noise of its condition.

    It stands for all noises, which are of one folder or corpus.
    """
    noises = utterance.condition.noises[:1] if utterance.condition else ()
    return [utterance.file, *(noise.file for noise in noises)]


def _compare(utterance: Utterance, sha256: str) -> None:
    """Require the files of an utterance that the client has.

    Raises:
        OtherFiles: one is missing, or the recording has another SHA-256 than `sha256`, if that is
            known.
    """
    for file in files(utterance):
        if not file.exists():
            raise OtherFiles(f"{file} is missing there; see --audio-prefix")
    if sha256 and (actual := checksum(utterance.file)) != sha256:
        raise OtherFiles(
            f"{utterance.file} differs from the client's file (SHA-256 {actual[:12]}…, "
            f"expected {sha256[:12]}…); see --audio-prefix"
        )


def end(run: str) -> None:
    """Stop the chunk that is being embedded, publish it, and release the encoder."""
    _process.ended.add(run)
    if _process.run == run:
        _process.run, _process.engine = "", None


def _engine(job: Job) -> Engine:
    """Return the encoder of this run; open it if it is not open, or has another recipe."""
    engine = _process.engine if _process.run == job.run else None
    if engine is None or job.recipe not in (None, engine.recipe):
        _process.engine = engine = None  # two may not fit into memory
        _take_share_of_cores()
        engine = job.open(job.recipe)
        _process.run, _process.engine = job.run, engine
    version = str(engine.provenance.get("transformers"))
    if job.transformers not in (None, version):
        raise RecipeMismatch(
            f"it has transformers {version}, the other workers {job.transformers}; install the "
            "same version"
        )
    if job.recipe not in (None, engine.recipe):
        lines = "; ".join(differences(job.recipe or {}, engine.recipe))
        raise RecipeMismatch(f"its recipe differs from the recipe of the cache: {lines}")
    return engine


def _worker() -> Any:
    from distributed import get_worker

    return get_worker()


def _take_share_of_cores() -> None:
    """Limit the libraries to the threads of this worker."""
    threads = _worker().state.nthreads
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for libraries that are imported later
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
