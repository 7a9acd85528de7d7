"""Parts of a list of utterances: disjoint, complete, even and reproducible."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from data.utterance import Utterance
from extract.parallel.shards import PIECES, Part, Share, cut, plan


def one(number, recording=None):
    path = f"{number if recording is None else recording:05}.wav"
    return Utterance(f"c/{path}#{number:05}", "c", Path("/data"), path)


@st.composite
def lists(draw):
    """Utterances of a few seconds each, some of them segments of one recording."""
    lengths = draw(st.lists(st.floats(0, 60), max_size=60))
    recordings = [draw(st.integers(0, 20)) for _ in lengths]
    utterances = [one(n, recording) for n, recording in enumerate(recordings)]
    known = draw(st.sets(st.sampled_from(range(len(lengths))))) if lengths else set()
    return utterances, {utterances[n].id: lengths[n] for n in known}


@given(lists(), st.integers(1, 20))
def test_every_utterance_is_in_one_part(listed, parts):
    utterances, seconds = listed
    found = cut(utterances, seconds, parts)
    assert len(found) == parts
    together = sorted(u.id for part in found for u in part)
    assert together == sorted(u.id for u in utterances)
    assert all([u.id for u in part] == sorted(u.id for u in part) for part in found)
    if len(utterances) >= parts:
        assert all(found)


@given(lists(), st.integers(1, 8), st.randoms())
def test_the_order_of_the_list_decides_nothing(listed, parts, chance):
    utterances, seconds = listed
    shuffled = list(utterances)
    chance.shuffle(shuffled)
    assert cut(shuffled, seconds, parts) == cut(utterances, seconds, parts)
    assert plan(shuffled, seconds) == plan(utterances, seconds)


@given(lists(), st.integers(1, 8))
def test_parts_differ_by_no_more_than_a_piece(listed, parts):
    """What list scheduling guarantees: the fullest part is ahead by at most what it got last."""
    utterances, seconds = listed
    lengths = {u.id: max(0.001, seconds.get(u.id, 0.0)) for u in utterances}
    loads = [sum(lengths[u.id] for u in part) for part in cut(utterances, seconds, parts)]
    whole = sum(lengths.values())
    longest = max([*lengths.values(), whole / parts / PIECES], default=0.0)
    assert max(loads) - min(loads) <= longest + 1e-6


def test_real_lengths_are_cut_evenly():
    chance = random.Random(0)
    utterances = [one(n) for n in range(2_000)]
    seconds = {u.id: chance.lognormvariate(1.0, 0.8) for u in utterances}
    loads = [sum(seconds[u.id] for u in part) for part in cut(utterances, seconds, 16)]
    assert max(loads) < 1.001 * sum(loads) / 16


def test_segments_of_a_recording_stay_together():
    utterances = [one(n, recording=n // 10) for n in range(2_000)]
    seconds = {u.id: 3.0 for u in utterances}
    parts = cut(utterances, seconds, 4)
    places = [{u.path for u in part} for part in parts]
    assert sum(map(len, places)) == len(set.union(*places))


def test_one_long_recording_is_shared():
    utterances = [one(n, recording=0) for n in range(100)]
    sizes = [len(part) for part in cut(utterances, {}, 4)]
    assert max(sizes) - min(sizes) <= 100 / 4 / PIECES


def test_another_list_has_another_plan():
    utterances = [one(n) for n in range(10)]
    seconds = {u.id: 1.0 for u in utterances}
    whole = Share.of(utterances, seconds, Part(1, 2)).plan
    assert whole == Share.of(utterances, seconds, Part(2, 2)).plan
    assert whole != plan(utterances[1:], seconds)
    assert whole != plan(utterances, seconds | {utterances[0].id: 1.5})


@pytest.mark.parametrize("text", ["0/16", "17/16", "a/b", "3", "", "-1/4", "1/0", "1.5/4", "٣/16"])
def test_an_invalid_part_is_reported(text):
    with pytest.raises(UsageError, match="expected K/N with 1 ≤ K ≤ N, such as 3/16"):
        Part.parse(text)
