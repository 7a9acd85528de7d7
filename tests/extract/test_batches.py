from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.embedder import MIN_SECONDS, WINDOW_BATCHES, WINDOW_SECONDS, by_length, windows


@dataclass(frozen=True)
class Item:
    number: int
    seconds: float


items = st.lists(st.floats(0.025, 600), max_size=400).map(
    lambda lengths: [Item(number, seconds) for number, seconds in enumerate(lengths)]
)


@given(items, st.floats(1, 100))
def test_windows_cut_the_stream_in_order(stream, batch_seconds):
    found = list(windows(stream, batch_seconds))
    assert [item for window in found for item in window] == stream
    for window in found:
        held = sum(max(item.seconds, MIN_SECONDS) for item in window[:-1])
        assert held < max(WINDOW_SECONDS, WINDOW_BATCHES * batch_seconds)


@given(items, st.floats(1, 100))
def test_batches_hold_everything_once_within_the_budget(window, budget):
    batches = list(by_length(window, budget))
    assert sorted(i.number for b in batches for i in b) == [i.number for i in window]
    for batch in batches:
        longest = max(item.seconds for item in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(items, st.floats(1, 100))
def test_batches_are_of_similar_length_longest_first(window, budget):
    lengths = [item.seconds for batch in by_length(window, budget) for item in batch]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("batch_seconds", [8.0, 32.0, 320.0])
def test_of_the_lengths_of_acted_speech_less_than_3_percent_is_padding(batch_seconds):
    lengths = np.random.default_rng(0).uniform(2.9, 5.3, 2_000)  # RAVDESS
    stream = [Item(number, seconds) for number, seconds in enumerate(lengths)]
    padded = sum(
        len(batch) * batch[0].seconds
        for window in windows(stream, batch_seconds)
        for batch in by_length(window, batch_seconds)
    )
    assert padded < 1.03 * lengths.sum()
