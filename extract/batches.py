"""Divide a stream of recordings into batches of similar length."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

WINDOW_SECONDS = 600.0  # of audio that is sorted by length at a time, at least
WINDOW_BATCHES = 16  # the same in batches
MIN_SECONDS = 2.0  # that an item counts at least, so that every window ends


class HasLength(Protocol):
    """Anything with a length in seconds."""

    @property
    def seconds(self) -> float: ...


Item = TypeVar("Item", bound=HasLength)


def windows(items: Iterable[Item], batch_seconds: float) -> Iterator[list[Item]]:
    """Divide a stream into windows that fit into memory."""
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
    """Sort a window by length, and divide it into batches of at most `batch_seconds` when padded.

    A longer item is a batch of its own. The longest items come first, so that a lack of memory
    shows early.
    """
    batch: list[Item] = []
    for item in sorted(window, key=lambda item: -item.seconds):
        if batch and (len(batch) + 1) * batch[0].seconds > batch_seconds:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
