"""Divide recordings of any length into overlapping windows, with bounded memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data.errors import AudioError, UsageError
from data.utterance import Utterance
from extract.audio import MAX_SECONDS, SAMPLING_RATE, Waveform, stream
from extract.decoding import Decoded, Refusal
from extract.embedder import Embedder, Embedding

SHORTEST_WINDOW = 0.1  # seconds
SHORTEST_HOP = 0.02  # seconds, the step of the encoders' frames
SILENCE = 1e-3  # root mean square within ±1, −60 dB of full scale; quieter windows are silent
PEAK = SAMPLING_RATE // 100  # samples per pair of peaks in figures

Peaks = npt.NDArray[np.float32]  # (10 ms, 2): lowest and highest sample


@dataclass(frozen=True)
class Sliding:
    """Windows of `window` seconds every `hop` seconds; None: a third of the window.

    All windows of a recording are equally long: the last one ends with the recording, and may begin
    less than a hop after the previous one. A recording shorter than a window is one window.

    Raises:
        UsageError: window or hop is out of range, or the hop is longer than the window.
    """

    window: float = 3.0
    hop: float | None = None

    def __post_init__(self) -> None:
        if not SHORTEST_WINDOW <= self.window <= MAX_SECONDS:
            raise UsageError(
                f"a window of {self.window:g} s: expected {SHORTEST_WINDOW:g} to "
                f"{MAX_SECONDS:g} s, such as 3"
            )
        if not SHORTEST_HOP <= self.step <= self.window:
            raise UsageError(
                f"a hop of {self.step:g} s: expected {SHORTEST_HOP:g} s to the window's "
                f"{self.window:g} s, so that no audio is skipped"
            )

    @property
    def step(self) -> float:
        """The hop in seconds."""
        return self.window / 3 if self.hop is None else self.hop


@dataclass(frozen=True)
class Silence(Refusal):
    """A window without speech."""


class Track:
    """One recording as windows; `peaks` is complete after the last window.

    Args:
        utterance: the recording.
        blocks: blocks of its waveform at 16 kHz; None: the file is read.
    """

    def __init__(self, utterance: Utterance, blocks: Iterable[Waveform] | None = None) -> None:
        self.utterance = utterance
        self._blocks = blocks
        self._peaks: list[Peaks] = []

    @property
    def peaks(self) -> Peaks:
        """Lowest and highest sample of each 10 ms that was read: (10 ms, 2)."""
        return np.concatenate([np.empty((0, 2), np.float32), *self._peaks])

    def windows(self, sliding: Sliding, embedder: Embedder) -> Iterator[Decoded | Refusal]:
        """Yield the windows for an engine, as segments of the utterance with start and end.

        A `Silence` refers to one window, another `Refusal` to the whole recording.
        """
        whole = self.utterance
        try:
            for first, waveform in cut(
                self._read(),
                round(sliding.window * SAMPLING_RATE),
                round(sliding.step * SAMPLING_RATE),
            ):
                start = (whole.start or 0.0) + first / SAMPLING_RATE
                end = start + len(waveform) / SAMPLING_RATE
                part = replace(whole, start=round(start, 6), end=round(end, 6))
                if np.sqrt(np.mean(np.square(waveform))) < SILENCE:
                    yield Silence(part, "silent")
                else:
                    yield embedder.decode(part, waveform)
        except AudioError as error:
            yield Refusal(whole, str(error))
        except OSError as error:
            yield Refusal(whole, error.strerror or str(error))

    def _read(self) -> Iterator[Waveform]:
        whole, rest = self.utterance, np.empty(0, np.float32)
        blocks = self._blocks
        for block in stream(whole.file, whole.start, whole.end) if blocks is None else blocks:
            rest = np.concatenate([rest, block])
            full = rest[: len(rest) // PEAK * PEAK].reshape(-1, PEAK)
            self._peaks.append(np.stack([full.min(1), full.max(1)], axis=1))
            rest = rest[full.size :]
            yield block


def slide(
    tracks: Iterable[Track], sliding: Sliding, embedder: Embedder
) -> Iterator[tuple[Track, Embedding | Refusal]]:
    """Embed the windows of recordings in common batches; yield recording and result, in order."""
    owners: deque[Track] = deque()

    def windows() -> Iterator[Decoded | Refusal]:
        for track in tracks:
            for window in track.windows(sliding, embedder):
                owners.append(track)
                yield window

    for result in embedder.stream(windows()):
        yield owners.popleft(), result


def cut(blocks: Iterable[Waveform], window: int, hop: int) -> Iterator[tuple[int, Waveform]]:
    """Yield windows of `window` samples every `hop` samples, and the index of their first sample.

    >>> [(first, len(part)) for first, part in cut([np.zeros(6), np.zeros(5)], window=4, hop=2)]
    [(0, 4), (2, 4), (4, 4), (6, 4), (7, 4)]
    """
    held = np.empty(0, np.float32)  # from the first sample of the last window on
    first = following = covered = 0
    for block in blocks:
        held = np.concatenate([held, block])
        while following + window <= first + len(held):
            yield following, held[following - first : following - first + window]
            covered = following + window
            following += hop
        begin = max(following - hop, 0)
        held, first = held[begin - first :], begin
    end = first + len(held)
    if covered < end:
        start = max(end - window, 0)
        yield start, held[start - first :]
