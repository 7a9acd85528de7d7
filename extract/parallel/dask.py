"""Extract on the workers of a Dask scheduler.

The client submits chunks of utterances as tasks. Dask decides which worker runs a chunk, balances
the workers, and runs a chunk again when its worker is lost. A worker publishes its chunk as shards
in ``<cache>.parts/`` (`extract.parallel.tasks`), and the client packs them at the end. A chunk may
be embedded twice: shards are immutable, and the newer shard of an utterance is used.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data import scheduler
from data.cache.recipe import Recipe, in_words
from data.cache.shards import Shards
from data.errors import SchedulerError
from data.text import several
from data.utterance import Utterance
from extract import pipeline
from extract.decoding import Refusal, checksums
from extract.engines import BFLOAT16_IS_QUICKER, Engine
from extract.parallel.tasks import Job, Opened, OtherFiles, Report, embed_chunk, files
from extract.parallel.workers import RESULT_SECONDS, Cluster, Workers
from extract.pipeline import Settings
from extract.shard_writer import SHARD_SECONDS
from extract.summary import Summary

if TYPE_CHECKING:
    from distributed import Future

log = logging.getLogger("wav2emo")

FIRST_SECONDS = 60.0  # of audio in a chunk while the speed of the workers is unknown
AT_ONCE = 2  # chunks per worker, so that a worker does not wait for the next
RETRIES = 2  # of a chunk whose task fails before or after `embed_chunk`
STOP_SECONDS = 60.0  # within which workers must publish after an interruption
FEWEST = 4  # utterances in a chunk, at least
MOST = 4096  # at most
SECOND_BYTES = 32_000  # of audio, roughly: 16 kHz, 16 bit
TYPICAL_SECONDS = 4.0  # of an utterance of unknown length


def extract(
    utterances: Sequence[Utterance],
    open_engine: Callable[[Recipe | None], Engine],
    cache: Path,
    settings: Settings,
    cluster: Cluster,
) -> tuple[Opened, Summary]:
    """Embed utterances into a cache on the workers of a scheduler.

    Args:
        utterances: of the corpora.
        open_engine: opens the encoder on a worker, see `Job.open`.
        cache: the file to make or extend.
        settings: see `Settings`; its functions are called here.
        cluster: options of the cluster.

    Returns:
        The encoder, and a summary.

    Raises:
        SchedulerError: the scheduler cannot be reached or is lost, or no worker is left.
        CacheError, RecipeMismatch, OSError: see `extract.pipeline.extract`.
    """
    cache = cache.absolute()  # workers have working directories of their own
    roots = {utterance.root: utterance.root.absolute() for utterance in utterances}
    utterances = [replace(utterance, root=roots[utterance.root]) for utterance in utterances]
    plain = Settings(settings.batch_seconds, settings.max_seconds, settings.threads)
    job = Job(secrets.token_hex(4), open_engine, cache, plain, Shards(cache).recipe())
    with scheduler.connected(cluster.scheduler, cluster.wait, cluster.resource) as client:
        workers = Workers(client, job, cluster)
        try:
            encoder = workers.agree()
            described = f"{in_words(encoder.recipe)} ({encoder.provenance['device']})"
            log.info("encoder: %s on %s", described, several(workers.count(), "worker"))
            if encoder.suggests_bfloat16:
                log.info(BFLOAT16_IS_QUICKER)
            summary = embed(utterances, encoder, cache, settings, workers)
        finally:
            workers.end()
    return encoder, summary


def embed(
    utterances: Sequence[Utterance],
    encoder: Opened,
    cache: Path,
    settings: Settings,
    workers: Workers,
) -> Summary:
    """Embed and pack on workers that have agreed on an encoder."""
    portion = pipeline.Whole(utterances, settings.prune)
    with pipeline.claimed(portion, encoder.recipe, cache) as claim:
        _Run(utterances, workers, *claim, settings.watch).embed()
    return claim.summary


@dataclass(frozen=True)
class Chunk:
    """Utterances that one task embeds."""

    utterances: Sequence[Utterance]
    seconds: float  # of audio, estimated
    alone: bool = False  # no other chunk runs at the same time, since this one may kill its worker

    def halves(self) -> "list[Chunk]":
        """Split the chunk into two that run alone; a chunk of one utterance stays one."""
        half = len(self.utterances) // 2
        return [
            Chunk(utterances, self.seconds / 2, alone=True)
            for utterances in (self.utterances[:half], self.utterances[half:])
            if utterances
        ]


class Chunks:
    """Queue of the utterances that are not embedded yet."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._utterances = utterances
        self._next = 0  # first utterance that was in no chunk
        self._again: list[Chunk] = []

    def __bool__(self) -> bool:
        return bool(self._again) or self._next < len(self._utterances)

    def take(self, seconds: float, workers: int) -> Chunk:
        """Return the next chunk, preferably one that was put back.

        A new chunk has about `seconds` of audio. It has at most a quarter of a worker's share of
        the remaining utterances, so that all workers finish at about the same time.
        """
        if self._again:
            return self._again.pop()
        first, held = self._next, 0.0
        most = max(FEWEST, min(MOST, (len(self._utterances) - first) // (4 * workers)))
        end = min(first + most, len(self._utterances))
        while self._next < end and held < seconds:
            held += _seconds(self._utterances[self._next])
            self._next += 1
        return Chunk(self._utterances[first : self._next], held)

    def put_back(self, *chunks: Chunk) -> None:
        """Put chunks back that were not embedded."""
        self._again.extend(reversed(chunks))


def _seconds(utterance: Utterance) -> float:
    """Estimate the length of an utterance without opening the recording."""
    if utterance.start is not None and utterance.end is not None:
        return utterance.end - utterance.start
    try:
        return utterance.file.stat().st_size / SECOND_BYTES
    except OSError:
        return TYPICAL_SECONDS


@dataclass
class _Run:
    """Submits chunks and collects reports."""

    utterances: Sequence[Utterance]
    workers: Workers
    parts: Shards
    known: Mapping[str, str]
    summary: Summary
    watch: Callable[[float], None]

    def __post_init__(self) -> None:
        from distributed import as_completed  # late: options are parsed without Dask

        self._chunks = Chunks(self.utterances)
        self._seconds = FIRST_SECONDS  # of audio in a chunk
        # task → its chunk, and the workers that may run it
        self._pending: dict[Future, tuple[Chunk, frozenset[str]]] = {}
        self._completed = as_completed(loop=self.workers.client.loop)
        self._progressed = time.monotonic()
        self._checksum = checksums()

    def embed(self) -> None:
        """Embed all utterances; after an interruption, wait for the workers to publish."""
        try:
            while self._chunks or self._pending:
                self.workers.poll()
                self._submit()
                self._collect()
        except KeyboardInterrupt:
            self.workers.end()
            until = time.monotonic() + STOP_SECONDS
            with contextlib.suppress(SchedulerError):
                while self._pending and time.monotonic() < until:
                    self.workers.poll()
                    self._collect()
            raise

    def _submit(self) -> None:
        """Submit enough chunks to keep all workers busy."""
        ready = frozenset(self.workers.ready)
        for future, (_, allowed) in list(self._pending.items()):
            if allowed.isdisjoint(ready):  # Dask would wait for them
                self._withdraw(future)
        while self._chunks and len(self._pending) < AT_ONCE * len(ready):
            chunk = self._chunks.take(self._seconds, len(ready))
            others = [other for other, _ in self._pending.values()]
            if others and (chunk.alone or others[0].alone):
                self._chunks.put_back(chunk)
                return
            utterances = chunk.utterances
            known = {u.id: self.known[u.id] for u in utterances if u.id in self.known}
            present = {u.id: "" for u in utterances if all(file.exists() for file in files(u))}
            if utterances[0].id in present:
                present[utterances[0].id] = self._checksum(utterances[0].file) or ""
            arguments = self.workers.job, utterances, known, present
            future = self.workers.submit(ready, embed_chunk, *arguments, retries=RETRIES)
            self._pending[future] = chunk, ready
            self._completed.add(future)

    def _collect(self) -> None:
        """Collect the completed chunks; wait a moment if there are none."""
        if not self._pending:
            self._progressed = time.monotonic()
        if not self._completed.has_ready():
            time.sleep(0.05)
            if time.monotonic() - self._progressed > self.workers.cluster.timeout:
                self._refuse_hanging()
        for future in self._completed.next_batch(block=False):
            if future in self._pending:
                self._progressed = time.monotonic()
                self._settle(future, self._pending.pop(future)[0])

    def _settle(self, future: "Future", chunk: Chunk) -> None:
        if future.status == "error":
            self._divide(chunk, future.exception())
            return
        try:
            report = future.result(timeout=RESULT_SECONDS)
        except Exception as error:  # cancelled, or its worker was lost with the report
            log.debug("%s", error)
            self._chunks.put_back(chunk)
            return
        unfit = report.unfit
        if unfit is None and not self._visible(chunk, report.summary):
            unfit = OtherFiles(
                f"its shard {report.summary.shards[0]} is not in {self.parts.folder} on the "
                "client; workers must share the file system of the cache"
            )
        if unfit is None:
            self._add(chunk, report)
        else:
            self.workers.refuse(report.worker, unfit)
            self._chunks.put_back(chunk)

    def _add(self, chunk: Chunk, report: Report) -> None:
        self._seconds = SHARD_SECONDS * chunk.seconds / max(report.took, 0.01)
        done = report.summary
        self.summary.embedded += done.embedded
        self.summary.cached += done.cached
        self.summary.seconds += done.seconds
        self.summary.shards += done.shards
        for number in range(done.embedded + done.cached):
            self.watch(done.seconds / done.embedded if number < done.embedded else 0.0)
        self._refuse(done.refused)

    def _visible(self, chunk: Chunk, done: Summary) -> bool:
        """Whether the client sees the shards that a worker has published."""
        if all((self.parts.folder / name).exists() for name in done.shards):
            return True
        known = self.parts.known()  # another process may have packed them meanwhile
        refused = {refusal.utterance.id for refusal in done.refused}
        return all(u.id in known or u.id in refused for u in chunk.utterances)

    def _divide(self, chunk: Chunk, error: BaseException) -> None:
        """Halve a chunk that Dask has given up; refuse its utterance if it ran alone."""
        if len(chunk.utterances) > 1 or not chunk.alone:  # another chunk may have killed the worker
            log.debug("a chunk is halved: %s", error)
            self._chunks.put_back(*chunk.halves())
            return
        killed = type(error).__name__ == "KilledWorker"
        reason = "killed, or out of memory" if killed else f"{type(error).__name__}: {error}"
        self._refuse([Refusal(chunk.utterances[0], f"its workers were lost repeatedly: {reason}")])

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        self.summary.refused += refusals
        for _ in refusals:
            self.watch(0.0)

    def _withdraw(self, future: "Future") -> None:
        self._chunks.put_back(self._pending.pop(future)[0])
        future.cancel()

    def _refuse_hanging(self) -> None:
        """Stop using the workers that are busy, since no chunk was completed for too long."""
        error = SchedulerError(f"no answer for {self.workers.cluster.timeout:.0f} s")
        keys = {future.key for future in self._pending}
        for address, busy in self.workers.client.processing().items():
            if not keys.isdisjoint(busy):
                self.workers.refuse(address, error)
        for future in list(self._pending):
            self._withdraw(future)
