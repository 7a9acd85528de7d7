"""Tasks of an extraction on Dask: open the encoder once a worker, embed chunks, publish shards.

The client (`extract.parallel.dask`) submits these functions. A worker embeds a chunk by the same
function as an extraction without Dask, publishes shards beside the cache, and returns names and
counts. It holds the cache's claim meanwhile, which keeps other recipes out.
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

AUDIO_PREFIX = "WAV2EMO_AUDIO_PREFIX"  # as --audio-prefix, for recordings as a worker sees them
FAILURES = 3  # unexpected exceptions in a row after which a worker is unfit


class EngineSource(Protocol):
    """Opens an engine on a worker; picklable."""

    def __call__(self) -> Engine:
        """Open it here."""

    def fitted_to(self, recipe: Recipe) -> Self:
        """The same source, with what was left open filled in from `recipe`."""


@dataclass(frozen=True)
class NamedEncoder:
    """The encoder that a command line names."""

    model: str
    request: Request
    device: str = "auto"

    def __call__(self) -> Engine:
        return open_engine(self.model, self.request, self.device)

    def fitted_to(self, recipe: Recipe) -> "NamedEncoder":
        return replace(self, request=self.request.fitted_to(recipe))


@dataclass(frozen=True)
class Job:
    """What all chunks of an extraction have in common."""

    run: str  # unique
    source: EngineSource
    cache: Path
    settings: Settings  # without callbacks
    recipe: Recipe | None = None  # None: as the source gives it
    transformers: str | None = None  # version; None: any


@dataclass(frozen=True)
class Opened:
    """The encoder that a worker has opened."""

    recipe: dict[str, Any]
    provenance: dict[str, Any]
    suggests_bfloat16: bool = False

    @property
    def transformers(self) -> str:
        """The version of the library that defines the encoder. It is not part of a recipe, but all
        workers of a run must have the same.
        """
        return str(self.provenance.get("transformers"))


@dataclass(frozen=True)
class Report:
    """The outcome of a chunk."""

    worker: str = ""  # address
    took: float = 0.0  # seconds
    embedded: int = 0
    cached: int = 0
    seconds: float = 0.0  # of audio that was embedded
    shards: Sequence[str] = ()  # names of files in the folder of parts
    refused: Sequence[Refusal] = ()
    missing: Sequence[Refusal] = ()  # whose recordings this worker does not see
    unfit: Exception | None = None  # why this worker cannot do any chunk


class OtherFiles(CacheError):
    """A worker sees other files than the client."""


class _Stop(Exception):
    """Ends a chunk early; what is embedded is published on the way out."""


@dataclass
class _Process:
    """What a worker's process keeps between chunks."""

    run: str = ""
    engine: Engine | None = None
    failures: int = 0  # in a row
    ended: set[str] = field(default_factory=set)  # runs that are over, or are to stop
    lock: threading.Lock = field(default_factory=threading.Lock)  # one chunk at a time


_process = _Process()


def introduce(job: Job) -> Opened:
    """Open the encoder and describe it.

    Raises:
        RecipeMismatch: it is not the job's.
        EncoderError, UsageError: it cannot be opened here.
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

    Errors that other chunks would meet here too are returned as `Report.unfit`. Other exceptions
    are raised, for Dask to retry the chunk, unless they happen again and again.

    Args:
        job: of the run.
        utterances: to be embedded.
        known: id → SHA-256 of the audio of those that are in the cache.
        sample: id of one of them and SHA-256 of its recording as the client sees it.
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
            f"does not see {parts.folder}, where shards are collected: workers need the "
            "file system of the cache, under the same path"
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
    missing = [refusal for refusal in summary.refused if not refusal.utterance.file.exists()]
    return Report(
        took=time.monotonic() - began,
        embedded=summary.embedded,
        cached=summary.cached,
        seconds=summary.seconds,
        shards=summary.shards,
        refused=[refusal for refusal in summary.refused if refusal not in missing],
        missing=missing,
    )


def end(run: str) -> None:
    """Stop a chunk that is being embedded and publish it; forget the encoder."""
    _process.ended.add(run)
    if _process.run == run:
        _process.run, _process.engine = "", None


def _go_on(run: str) -> None:
    if run in _process.ended:
        raise _Stop


def _engine(job: Job) -> Engine:
    """The encoder of this run, opened once, or again if its recipe was not settled then."""
    engine = _process.engine if _process.run == job.run else None
    if engine is None or job.recipe not in (None, engine.recipe):
        _process.engine = engine = None  # two may not fit into memory
        _take_share_of_cores()
        engine = job.source()
        _process.run, _process.engine, _process.failures = job.run, engine, 0
    version = str(engine.provenance.get("transformers"))
    if job.transformers not in (None, version):
        raise RecipeMismatch(
            f"has transformers {version}, the others {job.transformers}: install the same there"
        )
    if job.recipe not in (None, engine.recipe):
        lines = "; ".join(differences(job.recipe or {}, engine.recipe))
        raise RecipeMismatch(f"its encoder gives other numbers than the cache's: {lines}")
    return engine


def _worker() -> Any:
    from distributed import get_worker

    return get_worker()


def _take_share_of_cores() -> None:
    """Compute on as many threads as the worker has: other workers use the other cores."""
    threads = _worker().state.nthreads
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for libraries that are imported from now on
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def _compare(utterances: Sequence[Utterance], sample: tuple[str, str] | None) -> None:
    """Compare one recording with what the client sees; one that is missing is not different."""
    if sample is None:
        return
    name, expected = sample
    file = next(utterance.file for utterance in utterances if utterance.id == name)
    found = Checksums()(file)
    if found is not None and found != expected:
        raise OtherFiles(
            f"sees another file than the client at {file} (SHA-256 {found[:12]}…, expected "
            f"{expected[:12]}…): see --audio-prefix"
        )
