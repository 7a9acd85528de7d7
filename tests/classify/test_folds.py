"""Folds never share a speaker, and say why they cannot be made."""

import logging
from pathlib import Path

import numpy as np
import pytest

from classify.dataset import load
from classify.folds import split
from classify.options import Options
from data.errors import UsageError


def folds_of(cache: Path, folds: int | str = "auto", **options):
    dataset = load(Options(cache=cache, head="logreg", **options))
    return dataset, split(dataset, folds, seed=0)


@pytest.mark.parametrize(
    ("speakers", "folds", "expected"),
    [(5, "auto", 5), (31, "auto", 10), (31, "speaker", 31), (5, 2, 2)],
)
def test_every_utterance_is_tested_once_by_strangers(
    make_cache, speakers: int, folds: int | str, expected: int
) -> None:
    dataset, made = folds_of(make_cache(speakers=speakers, takes=1), folds)
    assert len(made) == expected
    tested = np.concatenate([test for _, test in made.parts])
    assert sorted(tested) == list(range(len(dataset.y)))
    for train, test in made.parts:
        assert not set(dataset.speakers[train]) & set(dataset.speakers[test])


def test_speakers_of_two_corpora_are_different_people(make_cache) -> None:
    make_cache("both/a.h5")
    cache = make_cache("both/b.h5", corpus="other").parent
    _, made = folds_of(cache, labels="native")
    assert len(made) == 10


def test_unknown_speakers_give_stratified_folds_and_a_warning(make_cache, caplog) -> None:
    cache = make_cache(columns={"speaker": [""] * 80})
    with caplog.at_level(logging.WARNING, "wav2emo"):
        dataset, made = folds_of(cache)
    assert "speakers are unknown" in caplog.text
    assert not made.by_speaker
    for train, _ in made.parts:
        assert np.ptp(np.bincount(dataset.y[train])) <= 1


def test_the_same_seed_gives_the_same_folds(make_cache) -> None:
    cache = make_cache(speakers=12)
    one, other = (folds_of(cache, 3)[1] for _ in range(2))
    for (_, a), (_, b) in zip(one.parts, other.parts, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("cache", "folds", "message"),
    [
        ({"speakers": 1}, "auto", "one speaker, emodb/00"),
        ({"speakers": 3}, 4, "3 speakers only"),
        ({"columns": {"speaker": [""] * 80}}, "speaker", "does not know the speakers"),
        ({}, "speaker+sentence", "the sentences of some utterances are unknown"),
        (
            {"columns": {"sentence": [f"s{n // 4 % 4}" for n in range(80)]}},
            "speaker+sentence",
            "class boredom cannot be learned where a speaker and a sentence are left out",
        ),
        ({"columns": {"speaker": [""] * 80}}, 21, "has 20 utterances, fewer than the 21 folds"),
        (
            {"columns": {"emotion": ["E"] * 2 + ["W", "T"] * 39}},
            "auto",
            "class disgust is spoken by emodb/00 alone",
        ),
    ],
)
def test_says_why_there_can_be_no_folds(make_cache, cache, folds, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        folds_of(make_cache(**cache), folds)


def test_crossed_folds_share_neither_speaker_nor_sentence(make_cache) -> None:
    sentences = [f"s{n % 4}" for n in range(80)]
    dataset, made = folds_of(make_cache(columns={"sentence": sentences}), "speaker+sentence")
    assert len(made) == 20
    tested = np.concatenate([test for _, test in made.parts])
    assert sorted(tested) == list(range(80))
    sentence = dataset.utterances["sentence"].to_numpy(object)
    for train, test in made.parts:
        assert not set(dataset.speakers[train]) & set(dataset.speakers[test])
        assert not set(sentence[train]) & set(sentence[test])
    for number, (train, test) in enumerate(made.parts):
        np.testing.assert_array_equal(np.flatnonzero(made.train[number]), train)
        assert (made.fold[test] == number).all()
