"""Chunks of a list of utterances: each utterance once."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from data.utterance import Utterance
from extract.parallel.dask import FEWEST, Chunks


def utterances(count: int, seconds: float = 2.0) -> list[Utterance]:
    return [
        Utterance(f"c/{n}", "c", Path("/nowhere"), "long.wav", start=0.0, end=seconds)
        for n in range(count)
    ]


@given(st.integers(0, 300), st.integers(1, 9), st.floats(1, 1e4), st.randoms(use_true_random=False))
def test_every_utterance_is_in_one_chunk_whatever_is_put_back(count, workers, seconds, chance):
    chunks, done = Chunks(utterances(count)), []
    while chunks:
        chunk = chunks.take(seconds, workers)
        assert chunk.utterances
        if chance.random() < 0.2:
            chunks.put_back(*chunk.halves())
        elif chance.random() < 0.2:
            chunks.put_back(chunk)
        else:
            done += chunk.utterances
    assert sorted(u.id for u in done) == sorted(u.id for u in utterances(count))


def test_chunks_are_of_about_the_seconds_asked_for_and_shrink_towards_the_end():
    chunks, sizes = Chunks(utterances(1_000, seconds=2.0)), []
    while chunks:
        chunk = chunks.take(seconds=100.0, workers=4)
        sizes.append(len(chunk.utterances))
        assert chunk.seconds == 2.0 * sizes[-1]
    assert max(sizes) == sizes[0] == 50
    assert sizes == sorted(sizes, reverse=True)
    assert FEWEST in sizes[-2:]


def test_long_recordings_are_chunks_of_their_own():
    chunks = Chunks(utterances(100, seconds=600.0))
    assert len(chunks.take(seconds=60.0, workers=2).utterances) == 1


def test_halves_run_alone_and_one_utterance_stays():
    chunk = Chunks(utterances(3)).take(100.0, 1)
    first, second = chunk.halves()
    assert (len(first.utterances), len(second.utterances)) == (1, 2)
    assert first.alone
    assert second.alone
    (same,) = first.halves()
    assert same.utterances == first.utterances
