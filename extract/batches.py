"""Divide a stream of recordings into batches of similar length."""

from collections.abc import Iterable, Iterator

from extract.decoding import Decoded, Refusal

WINDOW_SECONDS = 600.0  # of audio that is sorted by length at a time, at least
WINDOW_BATCHES = 16  # the same in batches
MIN_SECONDS = 2.0  # that an item counts at least, so that every window ends


def windows(
    items: Iterable[Decoded | Refusal], batch_seconds: float
) -> Iterator[list[Decoded | Refusal]]:
    """Divide a stream into windows that fit into memory."""
    window: list[Decoded | Refusal] = []
    held = 0.0
    for item in items:
        window.append(item)
        held += max(item.seconds, MIN_SECONDS)
        if held >= max(WINDOW_SECONDS, WINDOW_BATCHES * batch_seconds):
            yield window
            window, held = [], 0.0
    if window:
        yield window


def by_length(window: Iterable[Decoded], batch_seconds: float) -> Iterator[list[Decoded]]:
    """Sort a window by length, and divide it into batches of at most `batch_seconds` when padded.

    A longer item is a batch of its own. The longest items come first, so that a lack of memory
    shows early.
    """
    batch: list[Decoded] = []
    for item in sorted(window, key=lambda item: -item.seconds):
        if batch and (len(batch) + 1) * batch[0].seconds > batch_seconds:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
