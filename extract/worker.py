"""What a Dask worker does in an extraction: open the encoder, keep it warm, embed chunks, publish.

The client (`extract.cluster`) sends a chunk of utterances; the worker decodes, embeds and publishes
them as shards beside the cache, by the same function as an extraction without workers, and answers
with names and counts. It holds the cache's claim meanwhile, so that no other recipe gets in.
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

from data.cache.recipe import Recipe, differences
from data.cache.shards import CLAIM, Shards
from data.errors import CacheError, RecipeMismatch
from data.utterance import Utterance
from extract.decoding import Checksums, Refusal
from extract.engines import Engine, open_engine
from extract.pipeline import Settings, Summary, embed_missing
from extract.recipe import Request

AUDIO_PREFIX = "WAV2EMO_AUDIO_PREFIX"  # as --audio-prefix, for the recordings as a worker sees them


class EngineSource(Protocol):
    """How to open an engine somewhere else; travels to the workers, so it can be pickled."""

    def __call__(self) -> Engine:
        """Open it here."""

    def fitted_to(self, recipe: Recipe) -> Self:
        """The same, with what was left open as `recipe` says."""


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

    run: str  # a name of its own
    source: EngineSource
    cache: Path
    recipe: Recipe | None  # None: as the source gives it
    batch_seconds: float | None
    max_seconds: float
    threads: int


@dataclass(frozen=True)
class Chunk:
    """Utterances that one worker embeds, and what is known of them."""

    utterances: Sequence[Utterance]
    known: Mapping[str, str] = field(default_factory=dict)  # id → SHA-256 of its audio in the cache
    sample: tuple[str, str] | None = None  # id, SHA-256 of its recording as the client sees it


@dataclass(frozen=True)
class Introduction:
    """What a worker says of the encoder that it has opened."""

    recipe: dict[str, Any]
    provenance: dict[str, Any]
    suggests_bfloat16: bool = False

    @property
    def transformers(self) -> str:
        """The version of the library that defines the encoder. It is no part of a recipe, but what
        is computed together is computed by one.
        """
        return str(self.provenance.get("transformers"))


@dataclass(frozen=True)
class Report:
    """What became of a chunk."""

    embedded: int = 0
    cached: int = 0
    seconds: float = 0.0  # of audio that was embedded
    shards: Sequence[str] = ()  # names of files in the folder of parts
    refused: Sequence[Refusal] = ()
    missing: Sequence[Refusal] = ()  # whose recordings this worker does not see


class OtherFiles(CacheError):
    """A worker sees other files than the client."""


class _Stop(Exception):
    """Ends a chunk early; what is embedded is published on the way out."""


@dataclass
class _Process:
    """What a worker's process remembers between chunks."""

    run: str = ""
    engine: Engine | None = None
    ended: set[str] = field(default_factory=set)  # runs that are over, or are to stop
    at_work: threading.Lock = field(default_factory=threading.Lock)  # one chunk at a time


_process = _Process()


def introduce(job: Job) -> Introduction:
    """Open the encoder and say what it is.

    Raises:
        RecipeMismatch: it is not the job's.
        EncoderError, UsageError: it cannot be opened here.
    """
    with _process.at_work:
        engine = _engine(job)
        return Introduction(engine.recipe, engine.provenance, engine.suggests_bfloat16)


def embed_chunk(job: Job, chunk: Chunk) -> Report:
    """Embed a chunk and publish what came of it.

    Raises:
        RecipeMismatch: the encoder here, or the claim on the cache, is not the job's.
        OtherFiles: the cache's folder, or the recordings, are not those that the client sees.
        OSError: the shard cannot be written.
    """
    with _process.at_work:
        if job.run in _process.ended:
            return Report()
        engine = _engine(job)
        parts, summary = Shards(job.cache), Summary()
        if not (parts.folder / CLAIM).exists():
            raise OtherFiles(
                f"does not see {parts.folder}, where shards are collected: workers need the "
                "file system of the cache, under the same path"
            )
        utterances = _as_seen_here(chunk.utterances)
        _compare(utterances, chunk.sample)
        parts.claim(engine.recipe)
        settings = Settings(
            job.batch_seconds, job.max_seconds, job.threads, watch=lambda _: _go_on(job.run)
        )
        try:
            embed_missing(utterances, chunk.known, parts, engine, settings, summary)
        except _Stop:
            pass
        finally:
            parts.clean()
    missing = [refusal for refusal in summary.refused if not refusal.utterance.file.exists()]
    refused = [refusal for refusal in summary.refused if refusal not in missing]
    return Report(
        summary.embedded, summary.cached, summary.seconds, summary.shards, refused, missing
    )


def end(run: str) -> None:
    """Let a chunk that is being embedded stop and publish, and forget the encoder."""
    _process.ended.add(run)
    if _process.run == run:
        _process.run, _process.engine = "", None


def _go_on(run: str) -> None:
    if run in _process.ended:
        raise _Stop


def _engine(job: Job) -> Engine:
    """The encoder of this run, opened once, or again where its recipe was not settled then."""
    engine = _process.engine if _process.run == job.run else None
    if engine is None or job.recipe not in (None, engine.recipe):
        _process.engine = engine = None  # two may not fit into memory
        _take_share_of_cores()
        engine = job.source()
        _process.run, _process.engine = job.run, engine
    if job.recipe not in (None, engine.recipe):
        lines = "; ".join(differences(job.recipe or {}, engine.recipe))
        raise RecipeMismatch(f"its encoder gives other numbers than the cache's: {lines}")
    return engine


def _take_share_of_cores() -> None:
    """Compute on as many threads as the worker has been given: others have the other cores."""
    from distributed import get_worker

    threads = get_worker().state.nthreads
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for what is imported from now on
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def _as_seen_here(utterances: Sequence[Utterance]) -> Sequence[Utterance]:
    prefixes = os.environ.get(AUDIO_PREFIX)
    if not prefixes:
        return utterances
    from extract.placement import parse_prefix, placed

    return placed(utterances, [parse_prefix(text) for text in prefixes.split(os.pathsep)])


def _compare(utterances: Sequence[Utterance], sample: tuple[str, str] | None) -> None:
    """Whether one recording is the one that the client sees; one that is missing is no other."""
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
