"""What is left to do, cut into chunks: nothing is forgotten, nothing is done twice."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from data.utterance import Utterance
from extract.chunks import FEWEST, LIVES, Pile


def utterances(count: int, seconds: float = 2.0) -> list[Utterance]:
    return [
        Utterance(f"c/{n}", "c", Path("/nowhere"), "long.wav", start=0.0, end=seconds)
        for n in range(count)
    ]


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 9), st.floats(1, 1e4), st.randoms(use_true_random=False))
def test_every_utterance_is_handed_out_once_whoever_is_lost(count, workers, seconds, chance):
    pile, done = Pile(utterances(count)), []
    refused = []
    while pile:
        work = pile.take(f"w{chance.randrange(workers)}", seconds, workers)
        assert work is not None
        if chance.random() < 0.2:
            refused += [alone for alone in [pile.lost_with(work)] if alone]
        elif chance.random() < 0.2:
            pile.put_back(work)
        else:
            done += work.utterances
    assert sorted(u.id for u in [*done, *refused]) == sorted(u.id for u in utterances(count))


def test_chunks_are_of_about_the_seconds_asked_for_and_shrink_towards_the_end():
    pile, sizes = Pile(utterances(1_000, seconds=2.0)), []
    while work := pile.take("w", seconds=100.0, workers=4):
        sizes.append(len(work.utterances))
        assert work.seconds == 2.0 * sizes[-1]
    assert max(sizes) == sizes[0] == 50
    assert sizes == sorted(sizes, reverse=True)
    assert FEWEST in sizes[-2:]


def test_what_kills_its_workers_is_found_by_halving():
    pile, lost, found = Pile(utterances(64)), 0, None
    while work := pile.take("w", 1e9, 1):
        if any(u.id == "c/13" for u in work.utterances):
            lost += 1
            found = pile.lost_with(work) or found
    assert found is not None
    assert found.id == "c/13"
    assert lost <= LIVES * 7


def test_a_worker_is_not_given_again_what_it_tried():
    pile = Pile(utterances(3))
    work = pile.take("a", 100, 1)
    pile.put_back(type(work)(work.utterances, work.seconds, tried=frozenset({"a"})))
    assert pile.take("a", 100, 2) is None
    assert pile.hopeless(["a", "b"]) == []
    assert pile.take("b", 100, 2).utterances == work.utterances
    pile.put_back(type(work)(work.utterances, work.seconds, tried=frozenset({"a", "b"})))
    assert [w.utterances for w in pile.hopeless(["a", "b"])] == [work.utterances]
    assert not pile
