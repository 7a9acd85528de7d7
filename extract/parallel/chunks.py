"""Cut a list of utterances into chunks, each a task for one worker."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.utterance import Utterance

FEWEST = 4  # utterances in a chunk, at least
MOST = 4096  # at most
SECOND_BYTES = 32_000  # of audio, roughly: 16 kHz, 16 bit
TYPICAL_SECONDS = 4.0  # of an utterance of unknown length


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
