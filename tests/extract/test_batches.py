from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from extract.batches import WINDOW_SECONDS, WINDOW_UTTERANCES, by_length, windows


@dataclass(frozen=True)
class Item:
    number: int
    seconds: float


items = st.lists(st.floats(0.025, 600), max_size=400).map(
    lambda lengths: [Item(number, seconds) for number, seconds in enumerate(lengths)]
)


@given(items)
def test_windows_cut_the_stream_in_order(stream):
    found = list(windows(stream))
    assert [item for window in found for item in window] == stream
    for window in found:
        assert len(window) <= WINDOW_UTTERANCES
        assert sum(item.seconds for item in window[:-1]) < WINDOW_SECONDS


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
