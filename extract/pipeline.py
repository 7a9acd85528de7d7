"""Embed utterances into a cache: decode ahead, batch, embed, publish, pack.

Threads hash and decode recordings ahead of the engine, and another thread writes shards. After a
crash, at most one shard of work is repeated, see `extract.shard_writer`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.cache.recipe import Recipe
from data.cache.refusals import collect, errors_file, write_errors
from data.cache.shards import Shards
from data.condition import clean_id
from data.errors import CacheError
from data.text import several
from data.utterance import Utterance
from extract import audio
from extract.decoding import Decoded, Refusal, ahead, checksums, decode
from extract.embedder import Embedding, embed
from extract.engines import Engine
from extract.shard_writer import ShardWriter
from extract.summary import Summary

if TYPE_CHECKING:
    from extract.engines.torch import Together


def _ignore(seconds: float) -> None:
    pass


@dataclass(frozen=True)
class Settings:
    """Options of an extraction that do not change the numbers.

    Attributes:
        batch_seconds: padded audio of one batch; None: a size that suits the engine.
        max_seconds: longer utterances are refused.
        threads: number of threads that hash and decode.
        prune: whether to remove utterances that are no longer in their corpus.
        watch: called for each finished utterance, from several threads, with the seconds of audio
            that were embedded; 0 if it was in the cache, or refused.
    """

    batch_seconds: float | None = None
    max_seconds: float = audio.MAX_SECONDS
    threads: int = 2
    prune: bool = False
    watch: Callable[[float], None] = _ignore


@dataclass(frozen=True)
class Portion:
    """The utterances of one run; subclasses define what happens before and after embedding."""

    own: Sequence[Utterance]

    def known(self, parts: Shards) -> Mapping[str, str]:
        """The content of the cache: id → version, see `Utterance.version`."""
        return parts.known()

    def begin(self, cache: Path) -> None:
        """Called after the cache is claimed, before embedding."""

    def leave(self, cache: Path, summary: Summary) -> None:
        """Called after embedding, also after an interruption or an error."""

    def finish(self, parts: Shards, known: Collection[str], summary: Summary) -> None:
        """Pack the shards, if it is the task of this run; `known` were in the cache before."""


@dataclass(frozen=True)
class Whole(Portion):
    """A whole list of utterances; the run that embeds it packs the cache."""

    prune: bool = False  # whether to remove utterances that are no longer in their corpus

    def leave(self, cache: Path, summary: Summary) -> None:
        """List the refused utterances."""
        write_errors(cache, summary.refused_rows())

    def finish(self, parts: Shards, known: Collection[str], summary: Summary) -> None:
        """Pack the cache.

        Raises:
            CacheError: no utterance is embedded.
        """
        cache = parts.cache
        if not known and not summary.embedded:
            raise CacheError(
                f"none of {several(len(self.own), 'utterance')} could be embedded, the first "
                f"because: {summary.refused[0].reason}; all are listed in {errors_file(cache)}"
            )
        current = {utterance.id: utterance for utterance in self.own}
        stale = _stale(known, current) if self.prune else set()
        summary.pruned = len(stale)
        summary.total = parts.pack(current)
        if stale:  # after packing, since a crash between both must not restore them
            summary.total = parts.pack(leave_out=stale)
        collect(cache, parts.ids)


class Claimed(NamedTuple):
    """A cache that a run may write into."""

    parts: Shards
    known: Mapping[str, str]  # what it contained before, see `Portion.known`
    summary: Summary


@contextmanager
def claimed(portion: Portion, recipe: Recipe, cache: Path) -> Iterator[Claimed]:
    """Claim `cache` for a recipe while utterances are embedded into it; pack it at the end.

    Raises:
        RecipeMismatch: the cache has another recipe.
        CacheError: the cache is damaged, or all utterances were refused.
        OSError: the disk is full or cannot be written.
    """
    parts, summary = Shards(cache), Summary(recipe)
    try:
        parts.claim(recipe)
        portion.begin(cache)
        known = portion.known(parts)
        try:
            yield Claimed(parts, known, summary)
        finally:
            portion.leave(cache, summary)
        portion.finish(parts, known, summary)
    finally:
        parts.clean()


def extract(
    utterances: Sequence[Utterance] | Portion,
    engine: Engine,
    cache: Path,
    settings: Settings | None = None,
) -> Summary:
    """Embed the utterances that `cache` does not contain, and pack; see `extract.extract`.

    Raises:
        RecipeMismatch, CacheError, OSError: see `claimed`.
    """
    settings = settings or Settings()
    portion = utterances if isinstance(utterances, Portion) else Whole(utterances, settings.prune)
    with claimed(portion, engine.recipe, cache) as claim:
        embed_missing(portion.own, [claim], engine, [engine], settings)
    return claim.summary


def extract_together(
    utterances: Sequence[Utterance],
    engine: "Together",
    caches: Sequence[Path],
    settings: Settings,
) -> list[Summary]:
    """Embed utterances by several engines, each into its own cache, and decode them once.

    Raises:
        RecipeMismatch, CacheError, OSError: see `claimed`.
    """
    portion = Whole(utterances, settings.prune)
    with ExitStack() as stack:
        claims = [
            stack.enter_context(claimed(portion, one.recipe, cache))
            for one, cache in zip(engine.engines, caches, strict=True)
        ]
        embed_missing(utterances, claims, engine, engine.engines, settings)
    return [claim.summary for claim in claims]


def embed_missing(
    utterances: Sequence[Utterance],
    claims: Sequence[Claimed],
    engine: Engine,
    engines: Sequence[Engine],
    settings: Settings,
) -> None:
    """Decode, embed and publish the utterances that a cache does not contain.

    Finished embeddings are published also after an error or an interruption.

    Args:
        utterances: utterances of this run.
        claims: the caches; their summaries are updated.
        engine: embeds the utterances.
        engines: (cache,) that `engine` consists of; its layers are those of each, one after the
            other.
        settings: see `Settings`.
    """
    checksum = checksums()

    def fetch(utterance: Utterance) -> Decoded | Refusal | None:
        segment = utterance.start is not None or utterance.end is not None
        stored = [claim.known.get(utterance.id) for claim in claims]
        sha256 = checksum(utterance.file) if segment or any(stored) else None
        if sha256 is not None and {*stored} == {utterance.version(sha256)}:
            return None
        return decode(utterance, engine, settings.max_seconds, sha256)

    def missing() -> Iterator[Decoded | Refusal]:
        for fetched in ahead(fetch, utterances, settings.threads):
            if fetched is None:
                for claim in claims:
                    claim.summary.cached += 1
                settings.watch(0.0)
            else:
                yield fetched

    with ExitStack() as stack:
        writers = [
            stack.enter_context(ShardWriter(claim.parts, one, claim.summary))
            for claim, one in zip(claims, engines, strict=True)
        ]
        for result in embed(missing(), engine, settings.batch_seconds):
            if isinstance(result, Refusal):
                for claim in claims:
                    claim.summary.refused.append(result)
                settings.watch(0.0)
                continue
            each = zip(claims, writers, _by_engine(result, len(engines)), strict=True)
            for claim, writer, own in each:
                if claim.known.get(own.utterance.id) == own.utterance.version(own.sha256):
                    claim.summary.cached += 1
                else:
                    writer.add(own)
            settings.watch(result.duration)


def _by_engine(result: Embedding, count: int) -> list[Embedding]:
    """Divide the layers (engine · layer, …) of an utterance by engine."""
    if count == 1:
        return [result]
    layers = {name: np.split(values, count) for name, values in result.layers.items()}
    sequences = [None] * count if result.sequence is None else np.split(result.sequence, count)
    return [
        replace(result, layers={name: own[n] for name, own in layers.items()}, sequence=sequence)
        for n, sequence in enumerate(sequences)
    ]


def _stale(known: Collection[str], current: Collection[str]) -> set[str]:
    """Ids in `known` that their corpora no longer contain, in any condition."""
    present = {clean_id(name) for name in current}
    corpora = {name.partition("/")[0] for name in present}
    clean = {name: clean_id(name) for name in known}
    return {
        name for name, of in clean.items() if of not in present and of.partition("/")[0] in corpora
    }
