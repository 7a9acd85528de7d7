"""Corpora that are folders of labels, patterns or tables."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import plant

from data import corpora
from data.corpora.folder import compile_pattern
from data.errors import CorpusError, UsageError


def test_folder_labels_are_the_immediate_subfolders(tmp_path: Path) -> None:
    root = plant(tmp_path / "mine", ["en/angry/a.wav", "de/angry/a.wav", "loose.wav"])
    corpus = corpora.read(root)
    assert [(u.id, u.emotion, u.speaker) for u in corpus.utterances] == [
        ("mine/de/angry/a.wav", "angry", None),
        ("mine/en/angry/a.wav", "angry", None),
        ("mine/loose.wav", None, None),
    ]
    assert corpus.warnings == (
        "recordings without a subfolder, so without a label: 1 (first: loose.wav)",
    )


def test_unlabelled_audio_is_readable(tmp_path: Path) -> None:
    plant(tmp_path / "talk", ["a.wav", "b.wav"])
    flat = corpora.read(tmp_path / "talk")
    assert [(u.id, u.emotion) for u in flat.utterances] == [
        ("talk/a.wav", None),
        ("talk/b.wav", None),
    ]
    assert flat.warnings == ()
    single = corpora.read(tmp_path / "talk" / "a.wav")
    assert single.utterances == flat.utterances[:1]
    assert single.kind == "folder"


def test_pattern(tmp_path: Path) -> None:
    root = plant(tmp_path / "c", ["x/s1/sad_1.wav", "s2/joy_02.flac", "s2/joy.wav"])
    corpus = corpora.read(root, pattern="{speaker}/{emotion}_{take}.*")
    assert [(u.path, u.speaker, u.emotion, u.attributes) for u in corpus.utterances] == [
        ("s2/joy_02.flac", "s2", "joy", {"take": "02"}),
        ("x/s1/sad_1.wav", "s1", "sad", {"take": "1"}),
    ]
    assert corpus.warnings == (
        "recordings that the pattern does not match, left out: 1 (first: s2/joy.wav)",
    )
    assert len(corpora.read(root, pattern="{speaker}/{emotion}_{take}.wav").utterances) == 1
    with pytest.raises(CorpusError, match="matches none of its 3 recordings"):
        corpora.read(root, pattern="{speaker}-{emotion}")


def test_pattern_with_a_repeated_field_wants_the_same_twice(tmp_path: Path) -> None:
    grammar = compile_pattern("{speaker}/{speaker}_{emotion}.wav")
    assert grammar.fullmatch("a/s1/s1_sad.wav")
    assert not grammar.fullmatch("a/s1/s2_sad.wav")
    assert not grammar.fullmatch("as1/xs1_sad.wav")


@pytest.mark.parametrize(
    "pattern",
    [
        "{speaker",
        "plain.wav",
        "{}",
        "{0}",
        "{a b}",
        "{a}{b}.wav",
        "{x!r}",
        "{x:3}",
        "{id}/{emotion}",
        "",
    ],
)
def test_malformed_patterns_are_refused(pattern: str, tmp_path: Path) -> None:
    plant(tmp_path, ["a.wav"])
    with pytest.raises(UsageError, match="pattern"):
        corpora.read(tmp_path, pattern=pattern)


WORD = st.text(st.characters(exclude_characters="/_.", exclude_categories=["Cs"]), min_size=1)


@given(speaker=WORD, emotion=WORD, take=WORD, above=st.lists(WORD, max_size=2))
def test_pattern_finds_what_a_path_was_made_of(
    speaker: str, emotion: str, take: str, above: list[str]
) -> None:
    path = "/".join([*above, speaker, f"{emotion}_{take}.wav"])
    match = compile_pattern("{speaker}/{emotion}_{take}.wav").fullmatch(path)
    assert match is not None
    assert match.groupdict() == {"speaker": speaker, "emotion": emotion, "take": take}


def test_table_segments(tmp_path: Path) -> None:
    table = "file,emotion,speaker,start,end,age\na.wav,sad,01,0,1.5,30\na.wav,joy,01,2,,30\n"
    root = plant(tmp_path / "table", {"takes.csv": table, "a.wav": ""})
    corpus = corpora.read(root / "takes.csv")
    first, second = corpus.utterances
    assert (first.id, second.id) == (
        "takes/a.wav#000000.000-000001.500",
        "takes/a.wav#000002.000-",
    )
    assert (first.start, first.end, second.start, second.end) == (0.0, 1.5, 2.0, None)
    assert (first.speaker, first.emotion, first.attributes) == ("01", "sad", {"age": 30})


@given(
    st.lists(
        st.tuples(st.integers(0, 10**8), st.integers(1, 10**8)), min_size=1, max_size=9, unique=True
    )
)
def test_segments_sort_by_time(milliseconds: list[tuple[int, int]]) -> None:
    from data.corpora.rows import _utterance

    rows = [{"start": start / 1000, "end": (start + long) / 1000} for start, long in milliseconds]
    made = [_utterance("t", Path(), "a.wav", dict(row), "t.csv, row 1") for row in rows]
    by_id = [(u.start, u.end) for u in sorted(made, key=lambda u: u.id)]
    assert by_id == sorted(by_id)


def test_parquet_and_tsv_say_the_same_as_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "file": ["a.wav", "sub/b.flac"],
            "emotion": ["sad", None],
            "speaker": [7, 8],
            "snr": [3.5, None],
            "duration": [1, 2],
        }
    )
    plant(tmp_path, ["a.wav", "sub/b.flac"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet")
    csv, tsv, parquet = (corpora.read(tmp_path / f"t.{e}") for e in ("csv", "tsv", "parquet"))
    assert csv.utterances == tsv.utterances == parquet.utterances
    assert [(u.speaker, u.emotion, u.attributes) for u in csv.utterances] == [
        ("7", "sad", {"snr": 3.5}),
        ("8", None, {}),
    ]
    assert csv.warnings == (
        "columns with names that a cache cannot store, left out: 1 (first: duration)",
    )


def test_table_leaves_out_missing_and_repeated_rows(tmp_path: Path) -> None:
    plant(tmp_path, {"a.wav": "", "t.csv": "file,emotion\na.wav,NA\n./a.wav,NA\ngone.wav,sad\n"})
    corpus = corpora.read(tmp_path / "t.csv")
    assert [(u.id, u.emotion) for u in corpus.utterances] == [("t/a.wav", "NA")]
    assert corpus.warnings == (
        "rows of missing recordings, left out: 1 (first: gone.wav)",
        "rows that repeat another, left out: 1 (first: a.wav)",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a table"),
        ("path,emotion\na.wav,sad\n", "no column 'file'; its columns are path, emotion"),
        ("file,emotion\n", "no rows"),
        ("file,emotion\ngone.wav,sad\n", "none of its recordings exists"),
        ("file,start,end\na.wav,2,1.5\n", "row 1: the segment ends at 1.5 s, expected after 2 s"),
        ("file,end\na.wav,0\n", "row 1: the segment ends at 0 s, expected after 0 s"),
        ("file,start\na.wav,-1\n", "start is -1; expected seconds"),
        ("file,start\na.wav,soon\n", "start is 'soon'; expected seconds"),
        ("file,end\na.wav,inf\n", "end is inf; expected seconds"),
        ("file,emotion\n,sad\n", "row 1: the file name is missing"),
        ("file,emotion\na.wav,sad\na.wav,joy\n", "row 2: differs from an earlier row"),
        ("file,emotion\n../o.wav,sad\n", "row 1: ../o.wav lies outside of the table's folder"),
        ("file,emotion\n/etc/passwd,sad\n", "row 1: /etc/passwd lies outside"),
        ("file,emotion\na.wav,sad\na,b,c,d\n", "cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    plant(tmp_path, {"o.wav": "", "sub/a.wav": "", "sub/t.csv": text})
    with pytest.raises(CorpusError, match=message):
        corpora.read(tmp_path / "sub" / "t.csv")


def test_bad_rows_are_left_out_and_stop_nothing(tmp_path: Path) -> None:
    plant(tmp_path, ["a.wav"])
    rows = ["a.wav,0,1", "../o.wav,0,1", "a.wav,2,1", ",0,1", "a.wav,x,1", "a.wav,1,2"]
    (tmp_path / "t.csv").write_text("\n".join(["file,start,end", *rows]))
    corpus = corpora.read(tmp_path / "t.csv")
    assert [(u.start, u.end) for u in corpus.utterances] == [(0, 1), (1, 2)]
    (warning,) = corpus.warnings
    assert warning.startswith("invalid rows, left out: 4")
    assert "row 2: ../o.wav lies outside" in warning


def test_table_may_name_files_outside_when_allowed(tmp_path: Path) -> None:
    plant(tmp_path, {"o.wav": "", "sub/t.csv": f"file\n../o.wav\n{tmp_path}/o.wav\n"})
    corpus = corpora.read(tmp_path / "sub" / "t.csv", follow_links=True)
    assert [(u.id, u.file.resolve()) for u in corpus.utterances] == [
        ("t/../o.wav", (tmp_path / "o.wav").resolve())
    ]


def test_a_folder_is_read_by_the_one_table_in_it(tmp_path: Path) -> None:
    root = plant(tmp_path, {"wav/a.wav": "", "own.csv": "file,emotion,speaker\nwav/a.wav,sad,x\n"})
    assert corpora.recognise(corpora.walk(root)) == "table"
    assert corpora.read(root).utterances == corpora.read(root / "own.csv").utterances
    assert corpora.read(root).utterances[0].emotion == "sad"
    assert corpora.read(root, "folder").utterances[0].emotion == "wav"
    plant(root, {"other.tsv": ""})
    assert corpora.recognise(corpora.walk(root)) == "folder"


@pytest.mark.parametrize(
    "text", ["", "name,emotion\na,sad\n", "file\n", "file\ngone.wav\n", "file\n1\n"]
)
def test_a_table_of_something_else_does_not_describe_its_folder(text: str, tmp_path: Path) -> None:
    root = plant(tmp_path, {"sad/a.wav": "", "notes.csv": text})
    assert corpora.recognise(corpora.walk(root)) == "folder"
