"""Job arrays: divide a list of utterances into parts with about equal lengths, one per task.

The tasks share a file system. They may run in any order, and the same part may run twice. The last
task to finish packs the cache.

Each task computes the division from ids, recordings and lengths alone. The segments of a recording
stay in one part, so that one machine reads and hashes it, unless the parts would become uneven.
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
from data.condition import clean_id
from data.errors import CacheError, UsageError
from data.utterance import Utterance
from extract.pipeline import Portion
from extract.summary import Summary

log = logging.getLogger("wav2emo")

PIECES = 8  # per part, at least, so that parts are even
UNKNOWN_SECONDS = 0.001  # of an utterance of unknown length


@dataclass(frozen=True)
class Part:
    """The `number`-th of `of` parts, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Parse a value of ``--shard``.

        >>> Part.parse("3/16")
        Part(number=3, of=16)

        Raises:
            UsageError: the value is not K/N with 1 ≤ K ≤ N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        number, of = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= of:
            raise UsageError(f"--shard {text}: expected K/N with 1 ≤ K ≤ N, such as 3/16")
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Share(Portion):
    """One part of a list of utterances, and the list."""

    part: Part
    whole: Sequence[Utterance]
    plan: str  # checksum of the list

    @classmethod
    def of(cls, whole: Sequence[Utterance], seconds: Mapping[str, float], part: Part) -> "Share":
        """Make a part; see `cut`."""
        own = cut(whole, seconds, part.of)[part.number - 1]
        return cls(own, part, whole, plan(whole, seconds))

    def begin(self, cache: Path) -> None:
        """Warn if another part was made from another list."""
        for report in refusals.read(cache):
            if report.of == self.part.of and report.plan != self.plan:
                log.warning(
                    "part %d/%d was cut from another list of utterances (%d there, %d here), so "
                    "utterances may be missing. Make one list, 'python -m data scan CORPUS -o "
                    "all.jsonl', and use it for all parts",
                    report.number, report.of, report.utterances, len(self.whole),
                )  # fmt: skip
                return

    def finish(self, parts: Shards, known: Collection[str], summary: Summary) -> None:
        """Report that the part is finished, and pack if all other parts are finished.

        Raises:
            CacheError: all utterances of the part were refused.
        """
        part, cache = self.part, parts.cache
        if self.own and not summary.embedded and not summary.cached:
            first = summary.refused[0]
            raise CacheError(
                f"none of the {len(self.own)} utterances of part {part} could be embedded, the "
                f"first because: {first.utterance.file}: {first.reason}. If the recordings have "
                "another path on this machine, use --audio-prefix OLD=NEW"
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
    """Divide utterances into disjoint parts, each sorted by id; conditions follow the clean one.

    The longest pieces are assigned first, each to the shortest part (Graham 1969, "Bounds on
    multiprocessing timing anomalies", LPT); ids decide ties. No part is empty if there are enough
    utterances.

    Args:
        utterances: with unique ids, in any order.
        seconds: id → length of the utterance, if it is known.
        parts: number of parts.
    """
    lengths = {u.id: max(UNKNOWN_SECONDS, seconds.get(u.id, 0.0)) for u in utterances}
    in_order = sorted(utterances, key=_order)
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
    return [sorted(part, key=_order) for part in filled]


def _order(utterance: Utterance) -> tuple[str, str]:
    """Conditions of an utterance follow each other, so that its recording is decoded once."""
    return clean_id(utterance.id), utterance.id


def _pieces(
    in_order: Sequence[Utterance], lengths: Mapping[str, float], most: float
) -> Iterator[list[Utterance]]:
    """Yield pieces: utterances of one recording, together at most `most` seconds if possible."""
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
    """SHA-256 of the ids and lengths of a list of utterances."""
    checksum = hashlib.sha256()
    for name in sorted(utterance.id for utterance in utterances):
        checksum.update(f"{name}\0{seconds.get(name, 0.0)!r}\n".encode())
    return checksum.hexdigest()
