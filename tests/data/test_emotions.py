"""The shared vocabulary and --labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.corpora import labels, module, names
from data.emotions import SHARED, Labels, parse_labels, to_shared
from data.errors import UsageError

CORPORA = [name for name in names() if labels(name)]


@pytest.mark.parametrize(
    ("corpus", "pairs"),
    [
        ("emodb", "W:anger L:boredom E:disgust A:fear F:happiness T:sadness N:neutral"),
        ("crema-d", "ANG:anger DIS:disgust FEA:fear HAP:happiness NEU:neutral SAD:sadness"),
        ("crema-d", "A:anger D:disgust F:fear H:happiness N:neutral S:sadness"),
        (
            "ravdess",
            "neutral:neutral calm:calm happy:happiness sad:sadness angry:anger fearful:fear "
            "disgust:disgust surprised:surprise",
        ),
        (
            "tess",
            "angry:anger disgust:disgust fear:fear happy:happiness neutral:neutral ps:surprise "
            "sad:sadness",
        ),
        (
            "iemocap",
            "ang:anger hap:happiness exc:excitement sad:sadness neu:neutral fru:frustration "
            "fea:fear sur:surprise dis:disgust oth:other",
        ),
        (
            "my-folder",
            "angry:anger Anger:anger ANG:anger happy:happiness joy:happiness Joyful:happiness "
            "ps:surprise Pleasant-Surprise:surprise scared:fear bored:boredom W:W pensive:pensive "
            "anxious:anxiety amused:amusement sleepy:sleepiness enthusiastic:enthusiasm",
        ),
    ],
)
def test_native_labels_in_shared_words(corpus: str, pairs: str) -> None:
    for pair in pairs.split():
        native, shared = pair.split(":")
        assert to_shared(corpus, native) == shared


def test_labels_without_agreement_have_no_shared_emotion() -> None:
    assert to_shared("iemocap", "xxx") is None
    assert to_shared("emodb", "") is None
    assert to_shared("folder", None) is None


def test_every_native_label_of_every_corpus_is_mapped() -> None:
    for corpus in CORPORA:
        natives = getattr(module(corpus), "VALUES", {}).get("emotion", {})
        assert set(natives.values()) <= labels(corpus).keys()
        assert set(labels(corpus).values()) <= {*SHARED, None}


@given(st.sampled_from(SHARED), st.sampled_from(["demo", *CORPORA]))
def test_shared_names_stand_for_themselves(name: str, corpus: str) -> None:
    assert to_shared(corpus, name) == name
    assert to_shared(corpus, name.upper()) == name


IEMOCAP = ["ang", "hap", "exc", "sad", "neu", "fru", "xxx", ""]


def apply(labels: Labels) -> list[str | None]:
    return labels.apply(["iemocap"] * len(IEMOCAP), IEMOCAP)


def test_default_is_the_whole_shared_vocabulary() -> None:
    assert apply(parse_labels(None)) == [
        "anger",
        "happiness",
        "excitement",
        "sadness",
        "neutral",
        "frustration",
        None,
        None,
    ]


def test_native_labels_stay_as_they_are_without_those_that_are_none() -> None:
    assert apply(parse_labels("native")) == ["ang", "hap", "exc", "sad", "neu", "fru", None, None]
    assert parse_labels("native").apply(["emodb", "mine"], ["W", "W"]) == ["W", "W"]


def test_iemocap_4() -> None:
    four = ["anger", "happiness", "happiness", "sadness", "neutral", None, None, None]
    assert apply(parse_labels("iemocap-4")) == four
    assert apply(parse_labels("happiness = happiness + excitement, anger,sadness, neutral")) == four


def test_ravdess_7_has_seven_classes_and_leaves_nothing_out() -> None:
    natives = list(module("ravdess").VALUES["emotion"].values())
    classes = parse_labels("ravdess-7").apply(["ravdess"] * 8, natives)
    assert None not in classes
    assert len(set(classes)) == 7
    assert classes[natives.index("calm")] == "neutral"


def test_merges_take_words_and_may_have_new_names() -> None:
    assert apply(parse_labels("negative=ang+sad,joy")) == [
        "negative",
        "happiness",
        None,
        "negative",
        None,
        None,
        None,
        None,
    ]


def test_corpora_meet_in_shared_classes() -> None:
    labels = parse_labels("anger,happiness")
    assert labels.apply(["emodb", "ravdess", "emodb"], ["W", "happy", "N"]) == [
        "anger",
        "happiness",
        None,
    ]


def test_labels_of_a_folder_can_be_named_when_they_are_known() -> None:
    with pytest.raises(UsageError, match="no label 'pensive'"):
        parse_labels("pensive,anger")
    labels = parse_labels("pensive,anger", known=["pensive", "anger"])
    assert labels.apply(["f"] * 3, ["pensive", "angry", "sad"]) == ["pensive", "anger", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("angre", "no label 'angre'; known: amusement, anger, .*iemocap-4, ravdess-7, native"),
        ("", "no label ''"),
        ("anger,,fear", "no label ''"),
        ("a=anger,b=ang", "anger is in two classes"),
        ("=anger", "names no class"),
        ("anger=", "no label ''"),
    ],
)
def test_bad_labels_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_labels(text)


@given(st.sets(st.sampled_from(SHARED), min_size=1), st.lists(st.sampled_from(SHARED)))
def test_a_subset_keeps_exactly_its_members(subset: set[str], natives: list[str]) -> None:
    kept = parse_labels(",".join(subset)).apply(["any"] * len(natives), natives)
    assert kept == [native if native in subset else None for native in natives]
