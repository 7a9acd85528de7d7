"""Tasks of an extraction on Dask: open the encoder once a worker, embed chunks, publish shards.

The client (`extract.parallel.dask`) submits these functions. A worker embeds a chunk by the same
function as an extraction without Dask, publishes shards beside the cache, and returns names and
counts. Meanwhile it holds the claim of the cache, so that no other recipe can use the cache.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

from data.cache.recipe import Recipe, differences
from data.cache.shards import CLAIM, Shards
from data.errors import CacheError, RecipeMismatch, Wav2emoError
from data.utterance import Utterance
from extract.decoding import Checksums, Refusal
from extract.engines import Engine, open_engine
from extract.parallel.paths import parse_prefix, placed
from extract.pipeline import Settings, Summary, embed_missing
from extract.recipe import Request

AUDIO_PREFIX = "WAV2EMO_AUDIO_PREFIX"  # as --audio-prefix, for the recordings of a worker
FAILURES = 3  # unexpected exceptions in a row after which a worker is refused


class EngineSource(Protocol):
    """Picklable function that opens an engine on a worker."""

    def __call__(self) -> Engine:
        """Open the engine in this process."""

    def fitted_to(self, recipe: Recipe) -> Self:
        """Return a copy whose open options are set from `recipe`."""


@dataclass(frozen=True)
class NamedEncoder:
    """Source that opens an encoder by its name."""

    model: str
    request: Request
    device: str = "auto"

    def __call__(self) -> Engine:
        return open_engine(self.model, self.request, self.device)

    def fitted_to(self, recipe: Recipe) -> "NamedEncoder":
        return replace(self, request=self.request.fitted_to(recipe))


@dataclass(frozen=True)
class Job:
    """Options that all chunks of an extraction share."""

    run: str  # unique name
    source: EngineSource
    cache: Path
    settings: Settings  # without callbacks
    recipe: Recipe | None = None  # None: the recipe of the source
    transformers: str | None = None  # version; None: any


@dataclass(frozen=True)
class Opened:
    """The encoder that a worker has opened."""

    recipe: dict[str, Any]
    provenance: dict[str, Any]
    suggests_bfloat16: bool = False

    @property
    def transformers(self) -> str:
        """Version of the library that defines the encoder.

        It is not part of a recipe, but all workers of a run must have the same.
        """
        return str(self.provenance.get("transformers"))


@dataclass(frozen=True)
class Report:
    """The outcome of a chunk."""

    worker: str = ""  # address
    took: float = 0.0  # seconds
    summary: Summary = field(default_factory=Summary)
    missing: Sequence[Refusal] = ()  # recordings that do not exist on this worker
    unfit: Exception | None = None  # why this worker cannot embed any chunk


class OtherFiles(CacheError):
    """The files of a worker differ from the files of the client."""


class _Stop(Exception):
    """Ends a chunk early, after its embedded utterances are published."""


@dataclass
class _Process:
    """State of a worker process between chunks."""

    run: str = ""
    engine: Engine | None = None
    failures: int = 0  # in a row
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
    sample: tuple[str, str] | None,
) -> Report:
    """Embed a chunk and publish it.

    Errors that every chunk would cause on this worker are returned as `Report.unfit`. Other
    exceptions are raised, so that Dask retries the chunk, until `FAILURES` in a row.

    Args:
        job: the job of the run.
        utterances: utterances of the chunk.
        known: id → SHA-256 of the recording, for utterances that the cache contains.
        sample: id of an utterance and the SHA-256 of its recording on the client.
    """
    report = Report()
    with _process.lock:
        try:
            if job.run not in _process.ended:
                report = _embed(job, utterances, known, sample)
            _process.failures = 0
        except Exception as error:
            if isinstance(error, (OSError, Wav2emoError, ImportError)):
                report = Report(unfit=error)
            else:
                _process.failures += 1
                if _process.failures < FAILURES:
                    raise
                report = Report(unfit=Wav2emoError(f"{type(error).__name__}: {error}"))
    return replace(report, worker=_worker().address)


def _embed(
    job: Job,
    utterances: Sequence[Utterance],
    known: Mapping[str, str],
    sample: tuple[str, str] | None,
) -> Report:
    engine = _engine(job)
    began = time.monotonic()
    parts, summary = Shards(job.cache), Summary()
    if not (parts.folder / CLAIM).exists():
        raise OtherFiles(
            f"{parts.folder} does not exist there; workers must share the file system of the "
            "cache, under the same path"
        )
    if prefixes := os.environ.get(AUDIO_PREFIX):
        pairs = [parse_prefix(text) for text in prefixes.split(os.pathsep)]
        utterances = placed(utterances, pairs)
    _compare(utterances, sample)
    parts.claim(engine.recipe)
    settings = replace(job.settings, watch=lambda _: _go_on(job.run))
    try:
        embed_missing(utterances, known, parts, engine, settings, summary)
    except _Stop:
        pass
    finally:
        parts.clean()
    missing = [refusal for refusal in summary.refused if _is_missing(refusal.utterance)]
    summary.refused = [refusal for refusal in summary.refused if refusal not in missing]
    return Report(took=time.monotonic() - began, summary=summary, missing=missing)


def _is_missing(utterance: Utterance) -> bool:
    """Whether a recording is missing on this worker: of the utterance, or noises of its condition.

    The first noise stands for all; they are of one folder or corpus.
    """
    noises = utterance.condition.noises[:1] if utterance.condition else ()
    return not all(file.exists() for file in (utterance.file, *(one.file for one in noises)))


def end(run: str) -> None:
    """Stop the chunk that is being embedded, publish it, and release the encoder."""
    _process.ended.add(run)
    if _process.run == run:
        _process.run, _process.engine = "", None


def _go_on(run: str) -> None:
    if run in _process.ended:
        raise _Stop


def _engine(job: Job) -> Engine:
    """Return the encoder of this run; open it if it is not open, or has another recipe."""
    engine = _process.engine if _process.run == job.run else None
    if engine is None or job.recipe not in (None, engine.recipe):
        _process.engine = engine = None  # two may not fit into memory
        _take_share_of_cores()
        engine = job.source()
        _process.run, _process.engine, _process.failures = job.run, engine, 0
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


def _compare(utterances: Sequence[Utterance], sample: tuple[str, str] | None) -> None:
    """Compare one recording with the client's, unless it is missing on this worker.

    Raises:
        OtherFiles: the contents differ.
    """
    if sample is None:
        return
    name, expected = sample
    file = next(utterance.file for utterance in utterances if utterance.id == name)
    actual = Checksums()(file)
    if actual is not None and actual != expected:
        raise OtherFiles(
            f"{file} differs from the client's file (SHA-256 {actual[:12]}…, expected "
            f"{expected[:12]}…); see --audio-prefix"
        )
