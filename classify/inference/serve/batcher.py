"""Predict the recordings of several requests together."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from classify.inference.predictor import Answer, Predictor
from extract.decoding import Decoded, Refusal


class Job:
    """Items of one request; the future gets their answers."""

    def __init__(self, items: Sequence[Decoded | Refusal]) -> None:
        self.items = items
        self.seconds = max(item.seconds for item in items)  # of the longest item
        self.future: Future[list[Answer | Refusal]] = Future()


class Batcher:
    """Predict the items of all requests in one thread, in batches that suit the engine.

    The oldest job begins the next batch, and other jobs of similar length fill it.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._waiting: list[Job] = []
        self._closed = False
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")

    def submit(self, items: Sequence[Decoded | Refusal]) -> Future[list[Answer | Refusal]]:
        """Predict items. If the future is cancelled before their batch begins, they are left
        out."""
        job = Job(items)
        with self._lock:
            if self._closed:
                job.future.cancel()
            else:
                self._waiting.append(job)
                self._thread.submit(self._run)  # does nothing if an earlier batch has the job
        return job.future

    def close(self) -> None:
        """Cancel all jobs except those of the current batch."""
        with self._lock:
            self._closed = True
            self._thread.shutdown(wait=False, cancel_futures=True)
            for job in self._waiting:
                job.future.cancel()

    def _run(self) -> None:
        with self._lock:
            waiting = [job for job in self._waiting if not job.future.cancelled()]
            jobs = batch(waiting, self.predictor.embedder.engine.batch_seconds)
            self._waiting = [job for job in waiting if job not in jobs]
        self._predict([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _predict(self, jobs: Sequence[Job]) -> None:
        items = [item for job in jobs for item in job.items]
        try:
            answers = iter(list(self.predictor.stream(items)))
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
            else:  # the error may be that of one job
                for job in jobs:
                    self._predict([job])
            return
        for job in jobs:
            job.future.set_result(list(islice(answers, len(job.items))))


def batch(waiting: Sequence[Job], batch_seconds: float) -> list[Job]:
    """The first job, and those of most similar length that fit into `batch_seconds` when padded."""
    chosen: list[Job] = []
    count, longest = 0, 0.0
    for job in sorted(waiting, key=lambda job: abs(job.seconds - waiting[0].seconds)):
        padded = (count + len(job.items)) * max(longest, job.seconds)
        if not chosen or padded <= batch_seconds:
            chosen.append(job)
            count, longest = count + len(job.items), max(longest, job.seconds)
    return chosen
