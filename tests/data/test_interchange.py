"""Data sets of other programs: what is written is read again, and what they wrote is read."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import plant, sound

from data import corpora, interchange
from data.commands import export, scan
from data.corpora.rows import RESERVED
from data.errors import CorpusError, UsageError
from data.utterance import Utterance

FORMATS = ("audformat", "huggingface", "lhotse")
words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
names = words.filter(lambda w: w not in (*RESERVED, ".") and "/" not in w)
names = names.filter(lambda w: not w.startswith("wav2emo_"))
numbers = st.floats(-1e12, 1e12) | st.integers(-(2**53), 2**53)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "sex": st.sampled_from(["female", "male"]),
        "language": st.sampled_from(["de", "en", "xx"]),
        "split": st.sampled_from(["train", "test", "über/all"]),
        "gender": words,
        "label": words,
        "text": st.text(st.characters(exclude_categories=("Cs",)), min_size=1),
        "age": numbers,
    },
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("one/a.wav", "one/sub/ä b.flac", "two/a.wav")):
        sound(root / name, channels=1 + number % 2)
    return root


@st.composite
def listed(draw, root: Path) -> list[Utterance]:
    """Utterances of two corpora, of whole recordings and of segments."""
    places = [("one", "a.wav"), ("one", "sub/ä b.flac"), ("two", "a.wav")]
    segments = draw(
        st.lists(
            st.tuples(st.sampled_from(places), st.integers(0, 900), st.integers(1, 1_000)),
            max_size=4,
            unique=True,
        )
    )
    whole = draw(st.lists(st.sampled_from(places), min_size=1, unique=True))
    extra = draw(st.none() | names)
    found = []
    for (corpus, path), start, long in [*((p, None, None) for p in whole), *segments]:
        times = (None, None) if start is None else (start / 700, (start + long) / 700)
        more = {extra: draw(words)} if extra and draw(st.booleans()) else {}
        found.append(
            Utterance(
                f"{corpus}/{len(found)} {draw(words)}",
                corpus,
                root / corpus,
                path,
                draw(st.none() | words),
                draw(st.none() | words),
                *times,
                attributes=draw(attributes) | more,
            )
        )
    return sorted(found, key=lambda utterance: utterance.id)


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_round_trip_loses_nothing(format, copy, data, recordings, tmp_path_factory):
    written = data.draw(listed(recordings))
    out = tmp_path_factory.mktemp("out") / "set"
    interchange.write(out, format, written, copy)
    assert corpora.recognise(corpora.walk(out)) == format
    read = corpora.read(out, follow_links=not copy).utterances
    if copy:
        for utterance in read:
            assert utterance.file.read_bytes() == (recordings / utterance.corpus / utterance.path
                                                   ).read_bytes()  # fmt: skip
        read = [replace(u, root=recordings / u.corpus) for u in read]
    assert list(read) == written


@pytest.fixture
def written(recordings, tmp_path):
    """Makes a data set of three utterances."""
    root = recordings / "one"
    found = [
        Utterance("one/1", "one", root, "a.wav", "s1", "W", 0.25, 1.5, {"sex": "female"}),
        Utterance("one/2", "one", root, "a.wav", "s1", None, 1.5, None, {"language": "de"}),
        Utterance("one/3", "one", root, "sub/ä b.flac", "s2", "F", attributes={"split": "test"}),
    ]

    def make(format: str, copy: bool = True) -> Path:
        interchange.write(tmp_path / format, format, found, copy)
        return tmp_path / format

    return make


def test_audformat_itself_reads_what_is_written(written):
    audformat = pytest.importorskip("audformat")
    database = audformat.Database.load(str(written("audformat")))
    assert database.is_portable
    assert database.languages == ["deu"]
    table = database["emotion"].get()
    assert table["emotion"].tolist()[0] == "W"
    assert table["speaker"].tolist() == ["s1", "s1"]
    assert table.index.get_level_values("end")[0] == pd.Timedelta("1.5s")
    assert database["emotion.test"].split.type == "test"
    assert all((Path(database.root) / file).is_file() for file in database.files)


def test_lhotse_itself_reads_what_is_written(written):
    lhotse = pytest.importorskip("lhotse", exc_type=ImportError)
    cuts = {cut.id: cut for cut in lhotse.CutSet.from_file(written("lhotse") / "cuts.jsonl.gz")}
    first = cuts["one/1"].supervisions[0]
    assert (first.speaker, first.gender, first.custom["emotion"]) == ("s1", "female", "W")
    assert (cuts["one/1"].start, cuts["one/1"].duration) == (0.25, 1.25)
    assert cuts["one/3"].num_channels == 2
    lhotse.qa.validate(lhotse.CutSet.from_cuts(cuts.values()))


def test_a_hugging_face_data_set_has_a_column_of_audio(written):
    (file,) = written("huggingface", copy=False).rglob("*.parquet")
    features = json.loads(pyarrow.parquet.read_schema(file).metadata[b"huggingface"])
    assert features["info"]["features"]["audio"] == {"_type": "Audio"}
    assert features["info"]["features"]["emotion"] == {"dtype": "string", "_type": "Value"}


def test_paths_outside_need_to_be_allowed(written):
    for format in FORMATS:
        root = written(format, copy=False)
        with pytest.raises(CorpusError, match=r"lies outside .*--follow-links"):
            corpora.read(root)
        assert len(corpora.read(root, follow_links=True).utterances) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_commands_write_corpora_and_lists(folder_corpus, tmp_path, capsys, format):
    one, other = folder_corpus(3, name="one"), folder_corpus(2, name="other")
    expected = corpora.read_all([one, other])
    assert scan.main([str(one), str(other), "-o", str(tmp_path / "a"), "--format", format]) == 0
    read = corpora.read_all([tmp_path / "a"], follow_links=True)
    assert [corpus.utterances for corpus in read] == [corpus.utterances for corpus in expected]
    capsys.readouterr()
    written = [str(tmp_path / "a"), "--follow-links", "--format", format, "--copy"]
    assert export.main([*written, "-o", str(tmp_path / "b")]) == 0
    assert "5 utterances" in capsys.readouterr().out
    copied = corpora.read_all([tmp_path / "b"])
    assert [[u.id for u in c.utterances] for c in copied] == [
        [u.id for u in c.utterances] for c in expected
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_cache_is_written_with_its_recordings(folder_corpus, utterances, tmp_path, format):
    from standin import StandIn

    from extract.pipeline import extract

    root = folder_corpus(3)
    extract(utterances(root), StandIn(), tmp_path / "c.h5")
    asked = [str(tmp_path / "c.h5"), "--format", format, "-o", str(tmp_path / "out")]
    with pytest.raises(UsageError, match="--corpus-root DIR"):
        export.main(asked)
    with pytest.raises(UsageError, match="in 0 of the folders"):
        export.main([*asked, "--corpus-root", str(tmp_path)])
    assert export.main([*asked, "--corpus-root", str(root)]) == 0
    read = corpora.read(tmp_path / "out", follow_links=True).utterances
    assert list(read) == utterances(root)


def test_options_that_do_not_fit(folder_corpus, tmp_path):
    root = str(folder_corpus(2))
    for options in (["--format", "lhotse"], ["-o", str(tmp_path / "x")], ["--copy"]):
        with pytest.raises(UsageError, match="--format"):
            scan.main([root, *options])
    with pytest.raises(UsageError, match="--copy and --corpus-root need --format"):
        export.main([root, "--copy", "-o", str(tmp_path / "x.npz")])


def test_a_refused_export_writes_no_file(tmp_path):
    plant(tmp_path, {"c/a.wav": "text"})
    found = [Utterance("c/a", "c", tmp_path / "c", "a.wav")]
    with pytest.raises(CorpusError, match="lhotse needs rate and length"):
        interchange.write(tmp_path / "out", "lhotse", found)
    with pytest.raises(CorpusError, match="two utterances of one segment"):
        interchange.write(tmp_path / "out", "audformat", found * 2)
    with pytest.raises(CorpusError, match="missing"):
        interchange.write(tmp_path / "out", "huggingface", [replace(found[0], path="b.wav")])
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
