"""Folds of each kind of target."""

import numpy as np
import pytest

from classify.probing.options import ProbeOptions
from classify.probing.targets import task, tasks
from data import Cache
from data.errors import UsageError

SPEAKERS, PER_SPEAKER = 6, 16  # of make_cache, with four emotions of four takes


def columns(sentences: int = 4) -> dict[str, list]:
    count = SPEAKERS * PER_SPEAKER
    return {
        "sex": [("female", "male")[n // PER_SPEAKER % 2] for n in range(count)],
        "sentence": [f"s{n % sentences}" for n in range(count)],
    }


def table_of(cache):
    with Cache(cache) as opened:
        return opened.utterances


@pytest.fixture
def cache(make_cache):
    return make_cache(speakers=SPEAKERS, columns=columns())


def test_speakers_are_recognised_in_new_sentences(cache) -> None:
    of = task(table_of(cache), "speaker", ProbeOptions(cache=cache))
    assert of.folds.kind == "leave one sentence out"
    assert len(of.classes) == SPEAKERS
    for train, test in of.folds.parts:
        assert not set(of.groups[train]) & set(of.groups[test])
        assert set(of.y[train]) == set(of.y[test]) == set(range(SPEAKERS))


def test_sex_is_tested_on_new_speakers_with_both_in_every_fold(cache) -> None:
    of = task(table_of(cache), "sex", ProbeOptions(cache=cache))
    assert len(of.folds) == 3
    for train, test in of.folds.parts:
        assert not set(of.groups[train]) & set(of.groups[test])
        assert set(of.y[train]) == set(of.y[test]) == {0, 1}


@pytest.mark.parametrize("target", ["emotion", "sentence"])
def test_labels_that_vary_within_speakers_are_tested_on_new_speakers(cache, target: str) -> None:
    of = task(table_of(cache), target, ProbeOptions(cache=cache))
    assert of.folds.kind == "leave one speaker out"
    assert of.grouped_by == "speaker"


def test_the_confounds_that_are_known_are_taken(cache) -> None:
    found, skipped = tasks(table_of(cache), ProbeOptions(cache=cache))
    assert [of.target for of in found] == ["emotion", "speaker", "sex", "sentence"]
    assert skipped == {"intensity": "unknown", "corpus": "only emodb"}


def test_a_confound_without_folds_is_left_out_with_the_reason(make_cache) -> None:
    count = SPEAKERS * PER_SPEAKER
    one_woman = ["female"] * PER_SPEAKER + ["male"] * (count - PER_SPEAKER)
    cache = make_cache(speakers=SPEAKERS, columns={"sex": one_woman})
    found, skipped = tasks(table_of(cache), ProbeOptions(cache=cache))
    assert "sex" not in [of.target for of in found]
    assert "female is emodb/00 alone" in skipped["sex"]
    with pytest.raises(UsageError, match="female is emodb/00 alone"):
        tasks(table_of(cache), ProbeOptions(cache=cache, targets=("sex",)))


def test_speakers_of_one_sentence_are_left_out(make_cache, caplog) -> None:
    sentences = columns()["sentence"]
    sentences[:PER_SPEAKER] = ["s0"] * PER_SPEAKER
    cache = make_cache(speakers=SPEAKERS, columns={"sentence": sentences})
    with caplog.at_level("WARNING", "wav2emo"):
        of = task(table_of(cache), "speaker", ProbeOptions(cache=cache))
    assert len(of.classes) == SPEAKERS - 1
    assert "left out 16 utterances without a second sentence" in caplog.text


def test_speakers_without_sentences_are_reported_with_a_warning(make_cache, caplog) -> None:
    cache = make_cache(speakers=3)
    with caplog.at_level("WARNING", "wav2emo"):
        of = task(table_of(cache), "speaker", ProbeOptions(cache=cache))
    assert "the sentences are unknown" in caplog.text
    assert of.folds.kind == "stratified, sentences unknown"


def test_corpora_are_tested_on_new_speakers(make_cache) -> None:
    make_cache("both/a.h5", speakers=3)
    folder = make_cache("both/b.h5", corpus="other", speakers=4).parent
    of = task(table_of(folder), "corpus", ProbeOptions(cache=folder))
    assert of.folds.kind == "speakers of every class"
    everyone = task(table_of(folder), "speaker", ProbeOptions(cache=folder))
    assert len(everyone.classes) == 7, "a name is of one person within a corpus only"
    np.testing.assert_array_equal(np.unique(everyone.folds.fold), np.arange(10))


def test_an_unknown_target_is_answered_with_the_columns(cache) -> None:
    with pytest.raises(UsageError, match=r"--targets mood: .* has the columns .*sentence"):
        tasks(table_of(cache), ProbeOptions(cache=cache, targets=("emotion", "mood")))


def test_utterances_of_an_unknown_number_of_a_sentence_are_left_out(make_cache, caplog) -> None:
    sentences = [20240101.0 + n % 4 for n in range(SPEAKERS * PER_SPEAKER)]
    sentences[5] = sentences[40] = np.nan
    cache = make_cache(speakers=SPEAKERS, columns={"sentence": sentences})
    with caplog.at_level("WARNING", "wav2emo"):
        of = task(table_of(cache), "speaker", ProbeOptions(cache=cache))
    assert "left out 2 utterances" in caplog.text
    assert sorted(set(of.groups)) == ["20240101", "20240102", "20240103", "20240104"]
    assert len(of.folds) == 4
