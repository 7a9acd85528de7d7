"""The Dask workers of a run: open the encoder on each, and refuse workers that do not fit.

Every worker opens the encoder first, including workers that join late. A worker is refused if its
recipe or its version of transformers differs from the cache, or from most of the first workers.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data import scheduler
from data.errors import SchedulerError, UsageError, Wav2emoError
from data.scheduler import STALL_SECONDS, WORKER_SECONDS, parse
from data.text import several
from extract.parallel import tasks
from extract.parallel.tasks import Job, Opened

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger("wav2emo")

POLL_SECONDS = 0.5  # between polls of the scheduler
AGREE_SECONDS = 60.0  # within which the other first workers must open the encoder
SILENT_SECONDS = 60.0  # after which a scheduler that does not answer counts as lost
RESULT_SECONDS = 10.0  # within which a finished result must arrive
GPU = "GPU"


@dataclass(frozen=True)
class Cluster:
    """Options of the Dask cluster. They do not change the numbers.

    Attributes:
        scheduler: its address, see `data.scheduler`.
        resource: resource that a worker has to announce; None: GPU if any worker announces it.
        wait: seconds within which a first worker must connect.
        timeout: seconds without a finished chunk after which busy workers count as hanging.
        watch: called with the number of workers whenever it changes.
    """

    scheduler: str
    resource: str | None = None
    wait: float = WORKER_SECONDS
    timeout: float = STALL_SECONDS
    watch: Callable[[int], None] = lambda workers: None

    def __post_init__(self) -> None:
        parse(self.scheduler)
        if not (0 < self.wait < float("inf") and 0 < self.timeout < float("inf")):
            raise UsageError("--worker-wait and --worker-timeout must be above 0, and finite")


class Workers:
    """The workers of a run."""

    def __init__(self, client: "Client", job: Job, cluster: Cluster) -> None:
        self.client = client
        self.job = job
        self.cluster = cluster
        # address → task that opens the encoder, opened encoder, or reason of refusal
        self._states: dict[str, Future | Opened | Exception] = {}
        self._polled = 0.0
        self._answered = self._deserted = time.monotonic()  # times of the last answer, of a worker
        self._resource = cluster.resource
        if any(GPU in about["resources"] for about in scheduler.workers(client).values()):
            self._resource = self._resource or GPU

    @property
    def ready(self) -> dict[str, Opened]:
        """Workers that can compute chunks: address → encoder."""
        return {a: state for a, state in self._states.items() if isinstance(state, Opened)}

    def count(self) -> int:
        """Count the workers that are not refused."""
        return sum(not isinstance(state, Exception) for state in self._states.values())

    def agree(self) -> Opened:
        """Let the first workers open the encoder; agree on the recipe and the version of
        transformers that most of them have.

        Raises:
            SchedulerError: no worker opens the encoder in time.
        """
        began = first = time.monotonic()
        while not (opened := list(self.ready.values())) or len(opened) < self.count():
            now = time.monotonic()
            first = first if opened else now
            if now - first > min(AGREE_SECONDS, self.cluster.timeout):
                break
            if first - began > self.cluster.timeout:
                raise SchedulerError(
                    f"no worker has opened the encoder within {self.cluster.timeout:.0f} s"
                )
            self.poll()
            time.sleep(POLL_SECONDS / 10)
        votes = Counter(one.what for one in opened)
        agreed = next(one for one in opened if one.what == votes.most_common(1)[0][0])
        self.job = replace(self.job, recipe=agreed.recipe, transformers=agreed.transformers)
        for address, one in self.ready.items():
            if one.what != agreed.what:
                self._open(address)  # again, with the agreed recipe
        return agreed

    def poll(self) -> None:
        """Update which workers have joined, left, or opened the encoder.

        Raises:
            SchedulerError: the scheduler is lost, or no worker is left.
        """
        if self.client.status != "running":
            raise self._lost()
        for address, state in list(self._states.items()):
            if not isinstance(state, Opened | Exception) and state.done():
                self._settle(address, state)
        now = time.monotonic()
        if now - self._polled < POLL_SECONDS:
            return
        self._polled = now
        before = self.count()
        try:
            present = scheduler.workers(self.client)
        except OSError as error:  # it may be busy
            log.debug("the scheduler does not answer: %s", error)
            if now - self._answered > SILENT_SECONDS:
                raise self._lost() from None
            return
        self._answered = time.monotonic()
        for address in self._states.keys() - present.keys():
            if not isinstance(self._states.pop(address), Exception):
                log.warning("worker %s is lost; its chunks go to other workers", address)
        for address in present.keys() - self._states.keys():
            if self._resource in (None, *present[address]["resources"]):
                self._open(address)
        if self.count() != before:
            self.cluster.watch(self.count())
        self._require_workers()

    def submit(self, addresses: Iterable[str], *task: Any, retries: int = 0) -> "Future":
        """Submit a function and its arguments; one of the workers at `addresses` runs it."""
        resources = {self._resource: 1} if self._resource else None
        return self.client.submit(
            *task, workers=list(addresses), resources=resources, retries=retries, pure=False
        )

    def refuse(self, address: str, error: Exception) -> None:
        """Stop using a worker in this run, and log the reason."""
        if not isinstance(self._states.get(address), Exception):
            self._states[address] = error
            log.warning("worker %s is not used: %s", address, _line(error))

    def end(self) -> None:
        """Let the workers stop, publish and release the encoder, if they answer in time."""

        def run() -> None:
            try:
                self.client.run(tasks.end, self.job.run, workers=list(self.ready),
                                on_error="ignore")  # fmt: skip
            except Exception as error:  # its type depends on how the scheduler was lost
                log.debug("%s", error)

        if self.ready and self.client.status == "running":
            thread = threading.Thread(target=run, daemon=True)  # a hanging worker blocks it
            thread.start()
            thread.join(RESULT_SECONDS)

    def _open(self, address: str) -> None:
        self._states[address] = self.submit([address], tasks.introduce, self.job)

    def _settle(self, address: str, opening: "Future") -> None:
        try:
            self._states[address] = opening.result(timeout=RESULT_SECONDS)
        except Exception as error:  # any exception of the worker
            if "deserialization of the task graph" in str(error):
                raise SchedulerError(
                    "the scheduler cannot deserialise tasks: install wav2emo and Dask there as "
                    "they are here, and start it again"
                ) from None
            if opening.status == "error":
                self.refuse(address, error)
            else:  # the worker was lost with its answer
                self._open(address)

    def _require_workers(self) -> None:
        """Raise an error if no worker is left and none joins in time."""
        if self.count():
            self._deserted = time.monotonic()
            return
        reasons = [state for state in self._states.values() if isinstance(state, Exception)]
        for reason in reasons:
            if isinstance(reason, OSError):
                raise reason
        if reasons:
            raise SchedulerError(
                f"no worker is left; {several(len(reasons), 'worker')} not used, the first "
                f"because: {_line(reasons[0])}"
            )
        if time.monotonic() - self._deserted > self.cluster.wait:
            raise SchedulerError(
                f"no worker is left, and none connected for {self.cluster.wait:.0f} s; published "
                "shards are kept: start workers and run the same command again"
            )

    def _lost(self) -> SchedulerError:
        return SchedulerError(
            f"the scheduler {self.cluster.scheduler} is lost; published shards are kept: start a "
            "scheduler there and run the same command again"
        )


def _line(error: BaseException) -> str:
    """Describe an error in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, ImportError):
        return f"{error}; install wav2emo there as it is here"
    text = str(error) or type(error).__name__
    return text if isinstance(error, Wav2emoError) else f"{type(error).__name__}: {error}"
