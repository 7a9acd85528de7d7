"""What is left to do of an extraction, and how it is cut into chunks for workers."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from data.utterance import Utterance
from extract.decoding import Refusal

FEWEST = 4  # utterances of a chunk
MOST = 4096
LIVES = 3  # workers that a chunk may lose before it is halved
TRIES = 3  # workers that look for a recording before it is refused
SECOND_BYTES = 32_000  # of audio, roughly: 16 kHz, 16 bit
TYPICAL_SECONDS = 4.0  # of an utterance of which nothing is known


@dataclass(frozen=True)
class Work:
    """Utterances for one worker, and what has happened to them before."""

    utterances: Sequence[Utterance]
    seconds: float  # of audio, roughly
    lives: int = LIVES
    tried: frozenset[str] = frozenset()  # workers that are not to have it again
    missing: Sequence[Refusal] = ()  # its recordings, as the last of these did not see them


@dataclass
class Pile:
    """Utterances in their order, then what came back."""

    utterances: Sequence[Utterance]
    _next: int = 0
    _again: deque[Work] = field(default_factory=deque)

    def __len__(self) -> int:
        """Utterances that nobody works on."""
        return len(self.utterances) - self._next + sum(len(w.utterances) for w in self._again)

    def take(self, worker: str, seconds: float, workers: int) -> Work | None:
        """Work for `worker`: about so many seconds of audio, and no more than a fraction of a
        worker's share, so that all finish together; None if there is none for it."""
        for number, work in enumerate(self._again):
            if worker not in work.tried:
                del self._again[number]
                return work
        fair = (len(self.utterances) - self._next) // (4 * workers)
        most = min(max(fair, FEWEST), MOST)
        taken: list[Utterance] = []
        heard = 0.0
        while self._next < len(self.utterances) and len(taken) < most and heard < seconds:
            taken.append(self.utterances[self._next])
            heard += _seconds(taken[-1])
            self._next += 1
        return Work(taken, heard) if taken else None

    def put_back(self, work: Work) -> None:
        """Let others do it."""
        self._again.append(work)

    def lost_with(self, work: Work) -> Utterance | None:
        """A worker was lost while it had `work`: others do it. A single utterance that loses worker
        after worker is given back, to be refused."""
        if work.lives > 1:
            self._again.append(replace(work, lives=work.lives - 1))
            return None
        if len(work.utterances) == 1:
            return work.utterances[0]
        half = len(work.utterances) // 2
        for some in (work.utterances[:half], work.utterances[half:]):
            share = work.seconds * len(some) / len(work.utterances)
            self._again.append(replace(work, utterances=some, seconds=share, lives=LIVES))
        return None

    def hopeless(self, workers: Sequence[str]) -> list[Work]:
        """Take out what every one of `workers` has tried, or enough of them."""
        hopeless = [
            work
            for work in self._again
            if len(work.tried) >= TRIES or work.tried.issuperset(workers)
        ]
        self._again = deque(work for work in self._again if work not in hopeless)
        return hopeless


def _seconds(utterance: Utterance) -> float:
    """How long it is, or might be: nothing is opened for that."""
    if utterance.start is not None and utterance.end is not None:
        return utterance.end - utterance.start
    try:
        return utterance.file.stat().st_size / SECOND_BYTES
    except OSError:
        return TYPICAL_SECONDS
