"""Embed utterances into a cache: decode ahead, batch, embed, publish, pack.

Threads hash and decode recordings ahead of the engine, and another thread writes shards. After a
crash, at most one shard of work is repeated, see `extract.shard_writer`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from data.cache.recipe import Recipe
from data.cache.refusals import collect, errors_file, write_errors
from data.cache.shards import Shards
from data.condition import clean_id
from data.errors import CacheError
from data.utterance import Utterance
from extract import audio
from extract.decoding import Checksums, Decoded, Refusal, ahead, decode
from extract.embedder import embed
from extract.engines import Engine
from extract.shard_writer import ShardWriter

if TYPE_CHECKING:
    from extract.engines.together import Together


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


@dataclass
class Summary:
    """Counts of a run."""

    recipe: Recipe = field(default_factory=dict)
    embedded: int = 0
    cached: int = 0  # were in the cache before
    pruned: int = 0
    seconds: float = 0.0  # of audio that was embedded
    total: int = 0  # utterances in the cache
    packed: bool = True  # False: other parts are not finished
    missing: int = 0  # utterances of these parts
    refused: list[Refusal] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)  # names of the published shards

    def refused_rows(self) -> list[dict[str, str]]:
        """The refused utterances for the list of refusals."""
        return [refusal.row() for refusal in self.refused]


class Portion(Protocol):
    """The utterances of one run: a whole list (`Whole`) or a part of it
    (`extract.parallel.shards.Share`).
    """

    @property
    def own(self) -> Sequence[Utterance]:
        """Utterances that this run embeds."""

    def begin(self, cache: Path) -> None:
        """Called after the cache is claimed, before embedding."""

    def leave(self, cache: Path, summary: Summary) -> None:
        """Called after embedding, also after an interruption or an error."""

    def finish(self, parts: Shards, known: Collection[str], summary: Summary) -> None:
        """Pack the shards, if it is the task of this run; `known` were in the cache before."""


@dataclass(frozen=True)
class Whole:
    """A whole list of utterances; the run that embeds it packs the cache."""

    own: Sequence[Utterance]
    prune: bool = False  # whether to remove utterances that are no longer in their corpus

    def begin(self, cache: Path) -> None:
        """Do nothing."""

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
                f"none of {len(self.own)} utterances could be embedded, the first because: "
                f"{summary.refused[0].reason}; all are listed in {errors_file(cache)}"
            )
        current = {utterance.id: utterance for utterance in self.own}
        stale = _stale(known, current) if self.prune else set()
        summary.pruned = len(stale)
        summary.total = parts.pack(current)
        if stale:  # after packing, since a crash between both must not restore them
            summary.total = parts.pack(leave_out=stale)
        collect(cache, parts.ids)


def extract(
    utterances: Sequence[Utterance] | Portion,
    engine: Engine,
    cache: Path,
    settings: Settings | None = None,
) -> Summary:
    """Embed the utterances that `cache` does not contain, and pack; see `extract.extract`.

    Raises:
        RecipeMismatch: the cache has another recipe.
        CacheError: the cache is damaged, or all utterances were refused.
        OSError: the disk is full or cannot be written.
    """
    settings = settings or Settings()
    portion = Whole(utterances, settings.prune) if isinstance(utterances, Sequence) else utterances

    def embed_own(parts: Shards, known: Mapping[str, str], summary: Summary) -> None:
        embed_missing(portion.own, known, parts, engine, settings, summary)

    return complete(portion, engine.recipe, cache, embed_own)


def complete(
    portion: Portion,
    recipe: Recipe,
    cache: Path,
    embed_missing: Callable[[Shards, Mapping[str, str], Summary], None],
) -> Summary:
    """Claim `cache`, call `embed_missing` to write shards, and pack them.

    Args:
        portion: utterances of this run.
        recipe: recipe of the engine.
        cache: the file.
        embed_missing: embeds the utterances that are not known (id → version, see
            `Utterance.version`) into shards, and updates the summary.
    """
    summary = Summary(recipe)
    parts = Shards(cache)
    try:
        parts.claim(recipe)
        portion.begin(cache)
        known = parts.known()
        try:
            embed_missing(parts, known, summary)
        finally:
            portion.leave(cache, summary)
        portion.finish(parts, known, summary)
    finally:
        parts.clean()
    return summary


def embed_missing(
    utterances: Sequence[Utterance],
    known: Mapping[str, str],
    parts: Shards,
    engine: Engine,
    settings: Settings,
    summary: Summary,
) -> None:
    """Decode, embed and publish the utterances that are not known.

    Finished embeddings are published also after an error or an interruption.

    Args:
        utterances: utterances of this run.
        known: id → version of what the cache contains, see `Utterance.version`.
        parts: the shards of the cache.
        engine: runs the encoder.
        settings: see `Settings`.
        summary: is updated.
    """
    checksum = Checksums()

    def fetch(utterance: Utterance) -> Decoded | Refusal | None:
        segment = utterance.start is not None or utterance.end is not None
        sha256 = checksum(utterance.file) if segment or utterance.id in known else None
        if sha256 is not None and utterance.version(sha256) == known.get(utterance.id):
            return None
        return decode(utterance, engine, settings.max_seconds, sha256)

    def missing() -> Iterator[Decoded | Refusal]:
        for fetched in ahead(fetch, utterances, settings.threads):
            if fetched is None:
                summary.cached += 1
                settings.watch(0.0)
            else:
                yield fetched

    shards = ShardWriter(parts, engine)
    try:
        for result in embed(missing(), engine, settings.batch_seconds):
            if isinstance(result, Refusal):
                summary.refused.append(result)
                settings.watch(0.0)
            else:
                shards.add(result)
                settings.watch(result.duration)
    finally:
        shards.close()
        summary.embedded, summary.seconds = shards.published, shards.seconds
        summary.shards = shards.names


def extract_together(
    utterances: Sequence[Utterance],
    engine: "Together",
    caches: Sequence[Path],
    settings: Settings,
) -> list[Summary]:
    """Embed utterances by several engines, each into its own cache, and decode them once.

    Raises:
        RecipeMismatch, CacheError, OSError: see `extract`.
    """
    opened: list[tuple[Shards, Mapping[str, str], Summary]] = []
    summaries: list[Summary] = []

    def begin(parts: Shards, known: Mapping[str, str], summary: Summary) -> None:
        """Claim one cache after the other, embed when all are claimed, and pack them."""
        opened.append((parts, known, summary))
        if len(opened) < len(caches):
            complete_next()
        else:
            _embed_together(utterances, opened, engine, settings)

    def complete_next() -> None:
        number = len(opened)
        portion, recipe = Whole(utterances, settings.prune), engine.engines[number].recipe
        summaries.append(complete(portion, recipe, caches[number], begin))

    complete_next()
    return summaries[::-1]  # the last cache is packed first


def _embed_together(
    utterances: Sequence[Utterance],
    opened: Sequence[tuple[Shards, Mapping[str, str], Summary]],
    engine: "Together",
    settings: Settings,
) -> None:
    """Decode and embed what one of the caches lacks, and publish it there."""
    checksum = Checksums()

    def fetch(utterance: Utterance) -> Decoded | Refusal | None:
        sha256 = checksum(utterance.file)
        if sha256 is not None:
            version = utterance.version(sha256)
            if all(version == known.get(utterance.id) for _, known, _ in opened):
                return None
        return decode(utterance, engine, settings.max_seconds, sha256)

    def missing() -> Iterator[Decoded | Refusal]:
        for fetched in ahead(fetch, utterances, settings.threads):
            if fetched is None:
                for _, _, summary in opened:
                    summary.cached += 1
                settings.watch(0.0)
            else:
                yield fetched

    each = zip(opened, engine.engines, strict=True)
    shards = [ShardWriter(parts, one) for (parts, _, _), one in each]
    try:
        for result in embed(missing(), engine, settings.batch_seconds):
            settings.watch(0.0 if isinstance(result, Refusal) else result.duration)
            if isinstance(result, Refusal):
                for _, _, summary in opened:
                    summary.refused.append(result)
                continue
            sequence = result.sequence
            sequences = None if sequence is None else engine.parts(sequence)
            layers = {name: engine.parts(values) for name, values in result.layers.items()}
            for number, (own, (_, known, summary)) in enumerate(zip(shards, opened, strict=True)):
                if known.get(result.utterance.id) == result.utterance.version(result.sha256):
                    summary.cached += 1
                    continue
                part = {name: values[number] for name, values in layers.items()}
                steps = sequences[number] if sequences else None
                own.add(replace(result, layers=part, sequence=steps))
    finally:
        for own, (_, _, summary) in zip(shards, opened, strict=True):
            own.close()
            summary.embedded, summary.seconds = own.published, own.seconds
            summary.shards = own.names


def _stale(known: Collection[str], current: Collection[str]) -> set[str]:
    """Ids in `known` that their corpora no longer contain, in any condition."""
    present = {clean_id(name) for name in current}
    corpora = {name.partition("/")[0] for name in present}
    clean = {name: clean_id(name) for name in known}
    return {
        name for name, of in clean.items() if of not in present and of.partition("/")[0] in corpora
    }
