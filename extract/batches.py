"""Cut a stream of recordings into batches of similar length."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

WINDOW_SECONDS = 600.0  # audio that is sorted by length at a time, at least
WINDOW_BATCHES = 16  # the same in batches: those of one window differ little in length
MIN_SECONDS = 2.0  # that an item counts for, so that a window has an end


class HasLength(Protocol):
    """Anything that knows how long it is."""

    @property
    def seconds(self) -> float: ...


Item = TypeVar("Item", bound=HasLength)


def windows(items: Iterable[Item], batch_seconds: float) -> Iterator[list[Item]]:
    """Consecutive stretches of a stream that are short enough to be held in memory."""
    window: list[Item] = []
    held = 0.0
    for item in items:
        window.append(item)
        held += max(item.seconds, MIN_SECONDS)
        if held >= max(WINDOW_SECONDS, WINDOW_BATCHES * batch_seconds):
            yield window
            window, held = [], 0.0
    if window:
        yield window


def by_length(window: Iterable[Item], batch_seconds: float) -> Iterator[list[Item]]:
    """Sort a window by length, longest first, and cut it so that no batch, padded to its longest,
    exceeds `batch_seconds`. An item longer than that is a batch of its own.

    Longest first: if memory does not suffice, that shows at once and not after an hour.
    """
    batch: list[Item] = []
    for item in sorted(window, key=lambda item: -item.seconds):
        if batch and (len(batch) + 1) * batch[0].seconds > batch_seconds:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
