"""Job arrays: cut a list of utterances into parts of about as much audio each, one a machine.

Any number of machines may do parts of one cache on a file system that they share, in any order, and
two of them the same part. The last to finish packs.

Every machine cuts for itself, so the cut depends on ids, recordings and seconds alone. What is cut
are recordings: one with many segments is read and hashed by a single machine, unless it is more
than a small share of everything.
"""

import hashlib
import heapq
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from data.cache import refusals
from data.cache.shards import Shards
from data.errors import CacheError, UsageError
from data.utterance import Utterance
from extract.pipeline import Summary

log = logging.getLogger("wav2emo")

PIECES = 8  # of a part, at least, before a recording is left whole: what keeps parts even
NOTHING = 0.001  # seconds, of an utterance whose length is not known: it costs some work, too


@dataclass(frozen=True)
class Part:
    """The `number`-th of `of` parts, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """A part as ``--shard`` takes it.

        >>> Part.parse("3/16")
        Part(number=3, of=16)

        Raises:
            UsageError: it is not K/N with 1 ≤ K ≤ N.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            raise UsageError(f"--shard {text}: expected K/N with 1 ≤ K ≤ N, such as 3/16")
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Share:
    """One part of a list of utterances, and what it was cut from; a `pipeline.Portion`."""

    part: Part
    own: Sequence[Utterance]  # of this part
    whole: Sequence[Utterance]
    plan: str  # equal if two machines have cut the same list

    @classmethod
    def of(cls, whole: Sequence[Utterance], seconds: Mapping[str, float], part: Part) -> "Share":
        """Cut a part; for `seconds` see `cut`."""
        own = cut(whole, seconds, part.of)[part.number - 1]
        return cls(part, own, whole, plan(whole, seconds))

    def begin(self, cache: Path) -> None:
        """Warn if another part was cut from another list: then the parts do not fit together."""
        for report in refusals.read(cache):
            if report.of == self.part.of and report.plan != self.plan:
                log.warning(
                    "part %d/%d was cut from another list of utterances (%d there, %d here), so "
                    "some may be in no part. Make one list, 'python -m data scan CORPUS -o "
                    "all.jsonl', and give it to every part",
                    report.number, report.of, report.utterances, len(self.whole),
                )  # fmt: skip
                return

    def leave(self, cache: Path, summary: Summary) -> None:
        """Nothing: an unfinished part leaves no report."""

    def finish(self, parts: Shards, known: Collection[str], summary: Summary) -> None:
        """Report that the part is done, and pack if all others are done.

        Raises:
            CacheError: every utterance of the part was refused.
        """
        part, cache = self.part, parts.cache
        if self.own and not summary.embedded and not summary.cached:
            first = summary.refused[0]
            raise CacheError(
                f"none of the {len(self.own)} utterances of part {part} could be embedded, the "
                f"first because: {first.utterance.file}: {first.reason}. Does this machine see the "
                "recordings? --audio-prefix OLD=NEW tells where they are"
            )
        whole = {utterance.id: utterance for utterance in self.whole}
        report = refusals.Report(
            part.number, part.of, self.plan, len(whole), summary.refused_rows()
        )
        refusals.publish(cache, report)
        packed = parts.pack_if_last(whole, lambda: refusals.refused(cache, self.plan))
        present = parts.ids()
        summary.packed = packed is not None
        if summary.packed:
            refusals.collect(cache, lambda: present)
        summary.total = len(present)
        summary.missing = len(whole.keys() - present - refusals.refused(cache, self.plan).keys())


def cut(
    utterances: Sequence[Utterance], seconds: Mapping[str, float], parts: int
) -> list[list[Utterance]]:
    """`parts` disjoint lists that hold all utterances, in the order of their ids.

    The longest pieces go first, each to the part that has least (Graham 1969, "Bounds on
    multiprocessing timing anomalies", LPT); ties are decided by ids. No part is empty as long as
    there are as many utterances.

    Args:
        utterances: with unique ids, in any order.
        seconds: of utterances by id, as far as they are known.
    """
    lengths = {u.id: max(NOTHING, seconds.get(u.id, 0.0)) for u in utterances}
    in_order = sorted(utterances, key=lambda utterance: utterance.id)
    pieces = list(_pieces(in_order, lengths, sum(lengths[u.id] for u in in_order) / parts / PIECES))
    if len(pieces) < parts:
        pieces = [[utterance] for utterance in in_order]
    weighed = [(-sum(lengths[u.id] for u in piece), piece[0].id, piece) for piece in pieces]
    weighed.sort(key=lambda item: item[:2])
    filled: list[list[Utterance]] = [[] for _ in range(parts)]
    loads = [(0.0, number) for number in range(parts)]  # a heap
    for weight, _, piece in weighed:
        load, number = loads[0]
        filled[number] += piece
        heapq.heapreplace(loads, (load - weight, number))
    return [sorted(part, key=lambda utterance: utterance.id) for part in filled]


def _pieces(
    in_order: Sequence[Utterance], lengths: Mapping[str, float], most: float
) -> Iterator[list[Utterance]]:
    """Utterances of one recording, of at most `most` seconds if there are several."""
    for _, segments in groupby(in_order, key=lambda u: (u.corpus, u.path)):
        piece: list[Utterance] = []
        held = 0.0
        for utterance in segments:
            if piece and held + lengths[utterance.id] > most:
                yield piece
                piece, held = [], 0.0
            piece.append(utterance)
            held += lengths[utterance.id]
        yield piece


def plan(utterances: Sequence[Utterance], seconds: Mapping[str, float]) -> str:
    """SHA-256 of the ids and seconds that a cut depends on."""
    checksum = hashlib.sha256()
    for name in sorted(utterance.id for utterance in utterances):
        checksum.update(f"{name}\0{seconds.get(name, 0.0)!r}\n".encode())
    return checksum.hexdigest()
