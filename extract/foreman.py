"""Hands out chunks to workers, and looks after those who do them; `extract.cluster` tells how."""

import logging
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from distributed import Future

from data import scheduler
from data.cache.recipe import canonical
from data.cache.shards import Shards
from data.errors import RecipeMismatch, SchedulerError, Wav2emoError
from data.text import several
from data.utterance import Utterance
from extract import pipeline, worker
from extract.chunks import Pile, Work
from extract.cluster import Cluster
from extract.decoding import Checksums, Refusal
from extract.hand import Hand, said
from extract.pipeline import Summary
from extract.worker import Chunk, Introduction, Job, Report

log = logging.getLogger("wav2emo")

CHUNK_SECONDS = 20.0  # of work, as a shard's
FIRST_CHUNK = 60.0  # seconds of audio, while a worker's speed is unknown
AT_ONCE = 2  # chunks of a worker: it never waits for the next
LOOK_SECONDS = 0.5  # between looks at who is there
AGREE_SECONDS = 60.0  # that the others have to open the encoder when the first has
RETURN_SECONDS = 300.0  # that a lost scheduler has to come back
SILENT_SECONDS = 60.0  # after which a scheduler that does not answer counts as lost
STOP_SECONDS = 60.0  # that workers have to publish when all is to stop
ANSWER_SECONDS = 10.0  # that a finished answer may take to arrive
GPU = "GPU"


class _SchedulerGone(Exception):
    """The connection to the scheduler is lost."""


class Foreman:
    """Hands out work, and looks after those who do it."""

    def __init__(self, job: Job, settings: pipeline.Settings, cluster: Cluster) -> None:
        self._job = job
        self._settings = settings
        self._cluster = cluster
        self._client = scheduler.connect(cluster.scheduler)
        try:
            scheduler.wait_for_worker(self._client, cluster.wait, cluster.resource)
            scheduler.warn_of_versions(self._client)
            self._resource = cluster.resource or self._announced()
        except BaseException:
            scheduler.close(self._client)
            raise
        self._agreed: Introduction | None = None
        self._hands: dict[str, Hand] = {}
        self._answers: queue.SimpleQueue[tuple[Hand, Future]] = queue.SimpleQueue()
        self._looked = 0.0
        self._heard = time.monotonic()  # of the scheduler
        self._deserted = time.monotonic()  # when the last worker went
        self._pile = Pile(())
        self._checksum = Checksums()

    def agree(self) -> Introduction:
        """Let those who are there open the encoder, and settle for what most of them have."""
        first: float | None = None
        while True:
            self._settle()
            introduced = [hand for hand in self._hands.values() if hand.introduction]
            opening = any(not (hand.introduction or hand.refused) for hand in self._hands.values())
            first = (first or time.monotonic()) if introduced else None
            waited = first is not None and time.monotonic() - first > AGREE_SECONDS
            if introduced and (waited or not opening):
                break
        told = [hand.introduced for hand in introduced]
        recipe = _most(canonical(one.recipe) for one in told)
        having = [one for one in told if canonical(one.recipe) == recipe]
        version = _most(one.transformers for one in having)
        self._agreed = agreed = next(one for one in having if one.transformers == version)
        source = self._job.source.fitted_to(agreed.recipe)
        self._job = replace(self._job, recipe=agreed.recipe, source=source)
        for hand in introduced:
            self._admit(hand, agreed)
        return agreed

    def _admit(self, hand: Hand, agreed: Introduction) -> None:
        """Use a worker that computes as agreed."""
        found = hand.introduced
        if found.transformers != agreed.transformers:
            versions = f"transformers {found.transformers}, the others {agreed.transformers}"
            self._refuse(hand, RecipeMismatch(f"has {versions}: install the same there"))
        elif found.recipe != agreed.recipe:  # once more, as the others have it
            hand.introduction = None
            self._submit(hand, None)
        else:
            hand.ready = True

    def embed(
        self,
        utterances: Sequence[Utterance],
        parts: Shards,
        known: Mapping[str, str],
        summary: Summary,
    ) -> None:
        """Have embedded what is not known, as `extract.pipeline.embed_missing` does it here."""
        self._pile, self._parts, self._known, self._summary = (
            Pile(utterances),
            parts,
            known,
            summary,
        )
        try:
            while self._pile or self._busy():
                self._hand_out()
                self._settle()
        except KeyboardInterrupt:
            self._stop()
            raise

    def end(self) -> None:
        """Let the workers forget the encoder, and part from the scheduler."""
        self._tell_to_end()
        scheduler.close(self._client)

    def _announced(self) -> str | None:
        """GPU, where a worker announces it."""
        present = scheduler.workers(self._client).values()
        return GPU if any(GPU in about["resources"] for about in present) else None

    def _ready(self) -> list[Hand]:
        return [hand for hand in self._hands.values() if hand.ready and not hand.refused]

    def _busy(self) -> bool:
        return any(work for hand in self._hands.values() for work in hand.work.values())

    def _hand_out(self) -> None:
        ready = self._ready()
        for hand in ready:
            while len(hand.work) < AT_ONCE:
                seconds = hand.speed * CHUNK_SECONDS if hand.speed else FIRST_CHUNK
                work = self._pile.take(hand.address, seconds, len(ready))
                if work is None:
                    break
                self._submit(hand, work)
        if ready:
            for work in self._pile.hopeless([hand.address for hand in ready]):
                for refusal in work.missing:
                    self._refuse_utterance(refusal)

    def _submit(self, hand: Hand, work: Work | None) -> None:
        """Send a chunk, or the question for an introduction."""
        if not hand.work:
            hand.since = time.monotonic()
        arguments: tuple[Any, ...] = (worker.introduce, self._job)
        if work is not None:
            arguments = (worker.embed_chunk, self._job, self._chunk(work))
        future = self._client.submit(
            *arguments,
            key=f"wav2emo-{arguments[0].__name__}-{self._job.run}-{secrets.token_hex(4)}",
            workers=[hand.address],
            allow_other_workers=False,
            resources={self._resource: 1} if self._resource else None,
            pure=False,
        )
        hand.work[future] = work
        answers = self._answers
        future.add_done_callback(lambda future: answers.put((hand, future)))

    def _chunk(self, work: Work) -> Chunk:
        known = {u.id: self._known[u.id] for u in work.utterances if u.id in self._known}
        first = work.utterances[0]
        found = self._checksum(first.file)
        return Chunk(work.utterances, known, (first.id, found) if found else None)

    def _settle(self) -> None:
        """Wait for an answer, for a moment, and see to who is there."""
        try:
            self._look()
            try:
                hand, future = self._answers.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                return
            if self._hands.get(hand.address) is hand and future in hand.work:
                self._answered(hand, future, hand.work.pop(future))
        except _SchedulerGone:
            self._reconnect()

    def _answered(self, hand: Hand, future: Future, work: Work | None) -> None:
        took, hand.since = time.monotonic() - hand.since, time.monotonic()
        try:
            if future.status not in ("finished", "error"):  # its worker went with the answer
                raise SchedulerError("no answer")
            answer = future.result(timeout=ANSWER_SECONDS)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it was that a worker raised
            self._failed(hand, future, work, error)
            return
        finally:
            future.release()
        if isinstance(answer, Introduction):
            hand.introduction = answer
            if self._agreed is not None:
                self._admit(hand, self._agreed)
        elif isinstance(answer, Report) and work is not None:
            self._reported(hand, work, answer, took)

    def _failed(self, hand: Hand, future: Future, work: Work | None, error: BaseException) -> None:
        if future.status != "error":  # cancelled, or the worker went with the answer
            if work is None:
                self._hands.pop(hand.address, None)  # if it is there still, it is asked again
            else:
                self._pile.put_back(work)
            return
        if "deserialization of the task graph" in str(error):  # which the scheduler does
            raise SchedulerError(
                "the scheduler cannot read what it is to hand on: install wav2emo and Dask there "
                "as they are here, and start it again"
            )
        mine = isinstance(error, (OSError, Wav2emoError, ImportError)) or not hand.chunks
        if work is None or (mine and isinstance(error, Exception)):
            self._refuse(hand, error, work)
        else:
            log.warning("worker %s: %s: %s", hand.address, type(error).__name__, error)
            self._lose(work, f"{type(error).__name__}: {error}")

    def _reported(self, hand: Hand, work: Work, report: Report, took: float) -> None:
        if not self._visible(work, report):
            error = worker.OtherFiles(
                f"has published {report.shards[0]}, which is not in {self._parts.folder} here: its "
                "file system is another"
            )
            self._refuse(hand, error, work)
            return
        hand.chunks += 1
        hand.speed = work.seconds / max(took, 0.01)
        summary, watch = self._summary, self._settings.watch
        summary.embedded += report.embedded
        summary.cached += report.cached
        summary.seconds += report.seconds
        summary.shards += report.shards
        for _ in range(report.embedded):
            watch(report.seconds / report.embedded)
        for _ in range(report.cached):
            watch(0.0)
        for refusal in report.refused:
            self._refuse_utterance(refusal)
        if report.missing:
            ids = {refusal.utterance.id for refusal in report.missing}
            some = [utterance for utterance in work.utterances if utterance.id in ids]
            log.debug("worker %s does not see %d recordings", hand.address, len(some))
            again = replace(
                work,
                utterances=some,
                tried=work.tried | {hand.address},
                missing=report.missing,
            )
            self._pile.put_back(again)

    def _visible(self, work: Work, report: Report) -> bool:
        """Whether the shards that a worker has published are where the client will pack them."""
        folder = self._parts.folder
        if all((folder / name).exists() for name in report.shards):
            return True
        known = self._parts.known()  # another process may have packed them just now
        gone = {refusal.utterance.id for refusal in (*report.refused, *report.missing)}
        return all(utterance.id in known or utterance.id in gone for utterance in work.utterances)

    def _refuse_utterance(self, refusal: Refusal) -> None:
        self._summary.refused.append(refusal)
        self._settings.watch(0.0)

    def _refuse(self, hand: Hand, error: BaseException, work: Work | None = None) -> None:
        """Give a worker nothing more; what it had goes to others."""
        hand.refused = error if isinstance(error, Exception) else SchedulerError(str(error))
        log.warning("worker %s is not used: %s", hand.address, said(error))
        had = [work, *self._taken_from(hand)]
        for some in had:
            if some is not None:
                self._pile.put_back(some)

    def _lose(self, work: Work, how: str) -> None:
        alone = self._pile.lost_with(work)
        if alone is not None:
            self._refuse_utterance(Refusal(alone, f"lost worker after worker: {how}"))

    def _taken_from(self, hand: Hand) -> list[Work]:
        futures, had = list(hand.work), [work for work in hand.work.values() if work is not None]
        hand.work.clear()
        for future in futures:
            _if_possible(future.cancel)
        return had

    def _look(self) -> None:
        """See who has come, who has gone, and who does not answer."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self._client.status != "running" or now - self._heard > SILENT_SECONDS:
            raise _SchedulerGone
        try:
            present = scheduler.workers(self._client)
        except Exception as error:  # of many kinds; it may just be busy
            log.debug("the scheduler does not answer: %s", error)
            return
        self._heard = now
        before = self.count()
        for address in self._hands.keys() - present.keys():
            hand = self._hands.pop(address)
            had = self._taken_from(hand)
            log.warning("worker %s is gone; others do what it had", address)
            for work in had:
                self._lose(work, "killed, or out of memory")
        for address, about in present.items():
            if address not in self._hands and self._resource in (None, *about["resources"]):
                self._hands[address] = hand = Hand(address)
                self._submit(hand, None)
        for hand in self._hands.values():
            if hand.work and now - hand.since > self._cluster.timeout:
                self._give_up(hand)
        if self.count() != before:
            self._cluster.crew(self.count())
        self._require_workers()

    def count(self) -> int:
        """Workers that are used, or about to be."""
        return sum(not hand.refused for hand in self._hands.values())

    def _give_up(self, hand: Hand) -> None:
        """A worker hangs: restart it, if it has a nanny that can."""
        seconds = self._cluster.timeout
        hand.refused = SchedulerError(f"{hand.address} has not answered for {seconds:.0f} s")
        log.warning("worker %s has not answered for %.0f s; others do what it had", hand.address,
                    seconds)  # fmt: skip
        for work in self._taken_from(hand):
            self._lose(work, f"no answer within {seconds:.0f} s")
        _in_background(partial(self._client.restart_workers, [hand.address]))

    def _require_workers(self) -> None:
        """Go on as long as there is a worker, or may be one soon."""
        if self.count():
            self._deserted = time.monotonic()
            return
        reasons = [hand.refused for hand in self._hands.values() if hand.refused]
        for reason in reasons:
            if isinstance(reason, OSError):
                raise reason
        if reasons:
            raise SchedulerError(
                f"no worker is left; {several(len(reasons), 'worker')} not used, the first because "
                f"it {said(reasons[0])}"
            )
        if time.monotonic() - self._deserted > self._cluster.wait:
            raise SchedulerError(
                f"no worker is left, and none has come for {self._cluster.wait:.0f} s; what is "
                "published is kept: start workers and run the same command again"
            )

    def _reconnect(self) -> None:
        """Wait for the scheduler; what was under way is handed out again."""
        if self._client.cluster is not None:
            raise SchedulerError("the local scheduler has ended; what is published is kept")
        log.warning("the scheduler is gone; waiting for it, at most %.0f s", RETURN_SECONDS)
        for hand in self._hands.values():
            for work in self._taken_from(hand):
                self._pile.put_back(work)
        self._hands.clear()
        self._answers = queue.SimpleQueue()
        scheduler.close(self._client)
        end = time.monotonic() + RETURN_SECONDS
        while True:
            try:
                self._client = scheduler.connect(self._cluster.scheduler)
                break
            except SchedulerError as error:
                if time.monotonic() > end:
                    raise SchedulerError(f"{error}; what is published is kept") from None
        self._deserted = self._heard = time.monotonic()
        log.warning("the scheduler is back")

    def _tell_to_end(self) -> None:
        """Those that do not hear it will notice that the client has gone."""
        hearing = [hand.address for hand in self._hands.values() if not hand.refused]
        run = partial(
            self._client.run, worker.end, self._job.run, workers=hearing, on_error="ignore"
        )
        _in_background(run).join(scheduler.PATIENCE)

    def _stop(self) -> None:
        """Let all publish what they have."""
        self._tell_to_end()
        end = time.monotonic() + STOP_SECONDS
        while self._busy() and time.monotonic() < end:
            self._settle()


def _most(votes: Iterable[str]) -> str:
    return Counter(votes).most_common(1)[0][0]


def _if_possible(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:  # of many kinds, as a scheduler may be gone in many ways
        log.debug("%s", error)


def _in_background(call: Callable[[], object]) -> threading.Thread:
    """Call what a hanging worker would hold up."""
    thread = threading.Thread(target=_if_possible, args=(call,), daemon=True)
    thread.start()
    return thread
