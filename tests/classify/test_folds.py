"""Folds never share a speaker, and errors explain why folds cannot be made."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classify.dataset import grouping, load
from classify.evaluation.folds import split
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
        ({"columns": {"speaker": [""] * 80}}, "speaker", "speakers are unknown in the cache"),
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
def test_impossible_folds_are_refused_with_the_reason(
    make_cache, cache, folds, message: str
) -> None:
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


@pytest.mark.parametrize("unknown", [None, np.nan])
def test_a_number_that_is_unknown_is_no_sentence(make_cache, unknown) -> None:
    sentences = [20240101.0 + n % 4 for n in range(80)]
    sentences[7] = sentences[12] = unknown
    with pytest.raises(
        UsageError,
        match=r"--folds speaker\+sentence: .*column sentence, 2 of 80 utterances, such as "
        r"emodb/00\w\d\): add them .* or ask for --folds speaker",
    ):
        folds_of(make_cache(columns={"sentence": sentences}), "speaker+sentence")


def test_numeric_sentences_are_distinguished_by_their_last_digit(make_cache) -> None:
    sentences = [20240101.0 + n % 4 for n in range(80)]
    _, made = folds_of(make_cache(columns={"sentence": sentences}), "speaker+sentence")
    assert len(made) == 20


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "", "b"]),
        pd.Series(["a", None, "b"]),
        pd.Series([1.5, np.nan, 2]),
        pd.Series([1, None, 2], dtype="Int64"),
        pd.to_datetime(pd.Series(["2024-01-01", None, "2024-01-02"])),
    ],
)
def test_nothing_is_grouped_by_what_is_unknown(column: pd.Series) -> None:
    table = pd.DataFrame({"id": ["x", "y", "z"], "take": column})
    with pytest.raises(UsageError, match=r"--by: .* \(column take, 1 of 3 utterances, such as y\)"):
        grouping(table, "take", "--by", "less")
    assert len(set(grouping(table.drop(1), "take", "--by", "less"))) == 2
    with pytest.raises(UsageError, match=r"column speaker, 3 of 3 utterances, such as x"):
        grouping(table, "speaker", "--by", "less")


def test_speakers_that_are_unknown_have_no_statistics_of_their_own(make_cache) -> None:
    cache = make_cache(columns={"speaker": [""] * 80})
    with pytest.raises(UsageError, match=r"--normalize speaker: .*80 of 80 .*--normalize global"):
        load(Options(cache=cache, normalize="speaker"))
