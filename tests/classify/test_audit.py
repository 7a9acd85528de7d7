"""The audit finds problems, and reports none if there are none."""

from pathlib import Path

import numpy as np
import pytest

from classify.evaluation.folds import Folds, parted
from classify.probing.audit import Pairs, checks, near_pairs, same_sound
from classify.probing.options import ProbeOptions
from classify.probing.targets import Task, task
from data import Cache

NOTHING = Pairs(np.empty((0, 2), np.intp), np.empty((0, 2), np.intp))


def emotion_of(cache: Path) -> Task:
    with Cache(cache) as opened:
        return task(opened.utterances, "emotion", ProbeOptions(cache=cache))


def found(of: Task, pairs: Pairs = NOTHING) -> dict[str, tuple[str, str]]:
    return {check.check: (check.status, check.detail) for check in checks(of, pairs)}


def test_a_clean_cache_passes(make_cache) -> None:
    cache = make_cache(columns={"sentence": [f"s{n // 16}" for n in range(80)]})
    assert {status for status, _ in found(emotion_of(cache)).values()} == {"ok"}


def test_a_speaker_on_both_sides_fails(cache: Path) -> None:
    of = emotion_of(cache)
    mixed = Folds("mixed", parted(np.arange(80) % 4), by_speaker=True)
    status, detail = found(Task(of.target, of.selection, mixed, of.groups, "speaker"))[
        "speaker overlap"
    ]
    assert (status, detail) == ("fail", "100% of the tested utterances")


def test_unknown_speakers_fail(make_cache) -> None:
    of = emotion_of(make_cache(columns={"speaker": [""] * 80}))
    assert found(of)["speaker overlap"][0] == "fail"


def test_a_sentence_on_both_sides_fails_with_what_it_gives_away(make_cache) -> None:
    telling = [f"s{n // 4 % 4}" for n in range(80)]  # each sentence is of one emotion
    status, detail = found(emotion_of(make_cache(columns={"sentence": telling})))[
        "sentence overlap"
    ]
    assert status == "fail"
    assert "100% of the tested" in detail
    assert "UAR of 1.000" in detail


def test_a_number_that_is_unknown_is_no_sentence_on_both_sides(make_cache) -> None:
    sentences = [float(n // 16) if n % 5 else np.nan for n in range(80)]  # one a speaker, or none
    of = emotion_of(make_cache(columns={"sentence": sentences}))
    assert found(of)["sentence overlap"] == ("ok", "none")
    of = emotion_of(make_cache(columns={"sentence": [np.nan] * 80}))
    assert found(of)["sentence overlap"] == ("note", "the sentences are unknown")


def test_copies_across_the_folds_fail_and_within_are_noted(cache: Path) -> None:
    of = emotion_of(cache)  # by speaker: rows 0 to 15 are of the first
    none = np.empty((0, 2), np.intp)
    across, within = np.array([[3, 70]]), np.array([[3, 4]])
    assert found(of, Pairs(across, none))["identical audio"][0] == "fail"
    assert found(of, Pairs(within, none))["identical audio"][0] == "note"
    status, detail = found(of, Pairs(none, across))["near-identical audio"]
    assert status == "fail"
    assert "1 near-identical pair across" in detail
    assert of.selection.utterances["id"][70] in detail


def test_small_groups_fail(make_cache) -> None:
    emotions = ["W", "T"] * 40
    emotions[0] = emotions[16] = "E"
    details = found(emotion_of(make_cache(columns={"emotion": emotions})))
    status, detail = details["tiny groups"]
    assert status == "fail"
    assert "disgust has 2 utterances" in detail
    assert "disgust is spoken by 2 speakers" in detail
    assert details["missing classes"][0] == "note"


def test_few_speakers_fail(make_cache) -> None:
    message = found(emotion_of(make_cache(speakers=3)))["tiny groups"][1]
    assert "3 speakers: an interval needs 4" in message


def test_equal_checksums_are_found_unless_they_are_of_other_segments(make_cache) -> None:
    sums = [f"{n:064x}" for n in range(80)]
    sums[0] = sums[20] = sums[40] = sums[60] = "a" * 64
    starts, ends = [np.nan] * 80, [np.nan] * 80
    starts[60], ends[60] = 1.0, 2.0
    cache = make_cache(columns={"sha256": sums, "start": starts, "end": ends}, dim=40)
    with Cache(cache) as opened:
        table = opened.utterances
        pairs = same_sound(table.iloc[16:], opened.layer(0)[16:])
        everything = same_sound(table, opened.layer(0))
    ids = table["id"].to_numpy(object)
    assert ids[pairs.identical].tolist() == [["emodb/01L0", "emodb/02T0"]]
    names = {frozenset(pair) for pair in ids[everything.identical].tolist()}
    assert names == {
        frozenset(pair)
        for pair in (
            ("emodb/00W0", "emodb/01L0"),
            ("emodb/00W0", "emodb/02T0"),
            ("emodb/01L0", "emodb/02T0"),
        )
    }
    assert not len(everything.near)


@pytest.mark.parametrize("dim", [40, 200])
def test_near_pairs_are_those_of_a_loop(dim: int, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, dim)).astype(np.float32) * rng.uniform(0.1, 10, dim)
    X[20] = X[90] + 0.02 * X.std(0)
    X[140] = X[3]
    X[100] = X[50] + 0.6 * X.std(0) * np.sign(rng.normal(size=dim))  # near, not near enough
    monkeypatch.setattr("classify.probing.audit.BLOCK", 1000)
    monkeypatch.setattr("classify.probing.audit.MANY", 100 if dim > 100 else 1000)
    assert sorted(map(tuple, near_pairs(X).tolist())) == [(3, 140), (20, 90)]


def test_features_that_never_change_have_no_near_pairs() -> None:
    assert not len(near_pairs(np.ones((10, 4), np.float32)))
