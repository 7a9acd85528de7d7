"""Cut a list of utterances into chunks, each a task for one worker."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.utterance import Utterance
from extract.decoding import Refusal

FEWEST = 4  # utterances of a chunk
MOST = 4096
SECOND_BYTES = 32_000  # of audio, roughly: 16 kHz, 16 bit
TYPICAL_SECONDS = 4.0  # of an utterance of unknown length


@dataclass(frozen=True)
class Chunk:
    """Utterances that are embedded by one task."""

    utterances: Sequence[Utterance]
    seconds: float  # of audio, roughly
    tried: frozenset[str] = frozenset()  # addresses of workers that do not see the recordings
    missing: Sequence[Refusal] = ()  # what the last of them reported
    alone: bool = False  # it may kill its worker, so no other chunk is to run beside it

    def halves(self) -> "list[Chunk]":
        """Two chunks in its place, or itself, each to run alone."""
        half = len(self.utterances) // 2
        return [
            replace(self, utterances=some, seconds=self.seconds / 2, alone=True)
            for some in (self.utterances[:half], self.utterances[half:])
            if some
        ]


class Chunks:
    """What is left of a list of utterances."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._utterances = utterances
        self._next = 0  # utterance that was in no chunk yet
        self._again: deque[Chunk] = deque()

    def __bool__(self) -> bool:
        return bool(self._again) or self._next < len(self._utterances)

    def take(self, seconds: float, workers: int) -> Chunk:
        """The next chunk: one that was put back, or about so many seconds of audio, and no more
        than a quarter of a worker's share of the rest, so that all workers finish together.
        """
        if self._again:
            return self._again.popleft()
        first, held = self._next, 0.0
        most = max(FEWEST, min(MOST, (len(self._utterances) - first) // (4 * workers)))
        end = min(first + most, len(self._utterances))
        while self._next < end and held < seconds:
            held += _seconds(self._utterances[self._next])
            self._next += 1
        return Chunk(self._utterances[first : self._next], held)

    def put_back(self, *chunks: Chunk, first: bool = False) -> None:
        """Return chunks that are not done, to be taken before new ones."""
        if first:
            self._again.extendleft(reversed(chunks))
        else:
            self._again.extend(chunks)


def _seconds(utterance: Utterance) -> float:
    """Estimate its length without opening the recording."""
    if utterance.start is not None and utterance.end is not None:
        return utterance.end - utterance.start
    try:
        return utterance.file.stat().st_size / SECOND_BYTES
    except OSError:
        return TYPICAL_SECONDS
