"""Extract on the workers of a Dask scheduler.

The client hands out chunks of utterances, two to each worker, as Dask tasks that are bound to it; a
worker embeds its chunk, publishes it as shards in ``<cache>.parts/`` and answers with names and
counts (`extract.worker`). When nothing is left, the client packs. Shards are immutable, and of an
utterance in two the newer counts, so doing a chunk twice does no harm. Every failure therefore has
the same answer: the chunk goes back to the others (`extract.foreman`).

- A worker that comes, at whatever time, first opens the encoder and says its recipe. One whose
  recipe, or version of transformers, is another is refused. What most of the first workers have
  counts, and the recipe of a cache that there is.
- A worker that is killed or lost, or does not answer in time, loses the chunks it had. A chunk that
  is lost again and again is halved, until the utterance that does it is alone, and refused.
- A worker that cannot write, or sees other files, gets no more chunks.
- A scheduler that is gone is waited for; what was under way is handed out again.
- Chunks are as long as a worker takes some twenty seconds for, and shrink towards the end, so that
  all finish together.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.cache.recipe import in_words
from data.cache.shards import Shards
from data.errors import UsageError
from data.scheduler import WORKER_SECONDS, parse
from data.text import several
from data.utterance import Utterance
from extract import pipeline
from extract.engines import BFLOAT16_IS_QUICKER
from extract.pipeline import Summary
from extract.worker import EngineSource, Introduction, Job

log = logging.getLogger("wav2emo")


@dataclass(frozen=True)
class Cluster:
    """Where to compute. Nothing here changes the numbers.

    Attributes:
        scheduler: see `data.scheduler`.
        resource: what workers have to announce to be used; None: GPU where one announces it.
        wait: seconds that a first worker has to come.
        timeout: seconds that a worker may take for a chunk, or to open the encoder.
        crew: called with the number of workers whenever it changes.
    """

    scheduler: str
    resource: str | None = None
    wait: float = WORKER_SECONDS
    timeout: float = 900.0
    crew: Callable[[int], None] = lambda workers: None

    def __post_init__(self) -> None:
        parse(self.scheduler)
        if not (0 < self.wait < float("inf") and 0 < self.timeout < float("inf")):
            raise UsageError("--worker-wait and --worker-timeout must be above 0, and finite")


def extract(
    utterances: Sequence[Utterance],
    source: EngineSource,
    cache: Path,
    settings: pipeline.Settings,
    cluster: Cluster,
) -> tuple[Introduction, Summary]:
    """As `extract.pipeline.extract`, on the workers of a scheduler.

    Returns:
        What the encoder is, and what was done.

    Raises:
        SchedulerError: it cannot be reached, or no worker is left that can go on.
        And what `extract.pipeline.extract` raises.
    """
    cache = cache.absolute()
    utterances = _with_absolute_roots(utterances)
    recipe = Shards(cache).recipe()
    if recipe is not None:
        source = source.fitted_to(recipe)
    seconds = settings.batch_seconds, settings.max_seconds
    job = Job(secrets.token_hex(4), source, cache, recipe, *seconds, settings.threads)
    from extract.foreman import Foreman  # not before: its options are parsed without Dask

    foreman = Foreman(job, settings, cluster)
    try:
        encoder = foreman.agree()
        told = f"{in_words(encoder.recipe)} ({encoder.provenance['device']})"
        log.info("encoder: %s on %s", told, several(foreman.count(), "worker"))
        if encoder.suggests_bfloat16:
            log.info(BFLOAT16_IS_QUICKER)
        summary = pipeline.complete(
            utterances,
            encoder.recipe,
            cache,
            settings.prune,
            lambda parts, known, summary: foreman.embed(utterances, parts, known, summary),
        )
    finally:
        foreman.end()
    return encoder, summary


def _with_absolute_roots(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Workers have working directories of their own."""
    roots = {utterance.root: utterance.root.absolute() for utterance in utterances}
    return [replace(utterance, root=roots[utterance.root]) for utterance in utterances]
