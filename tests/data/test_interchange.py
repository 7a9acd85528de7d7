"""Data sets of other programs: what is written is read again, and what they wrote is read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import plant

from data import corpora, interchange
from data.commands import export, scan, unpack
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


def sound(path: Path, seconds: float = 2.0, channels: int = 1, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(8_000 * seconds), channels))
    soundfile.write(path, noise, 8_000)
    return path


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
    assert corpora.recognise(out) == format
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


def database(folder: Path, storage_format: str = "csv") -> Path:
    """A database as audformat writes it: speakers with attributes, segments, and splits."""
    audformat = pytest.importorskip("audformat")
    db = audformat.Database("speech", languages=["de"], usage="research")
    db.schemes["emotion"] = audformat.Scheme("str", labels=["anger", "joy"])
    db.schemes["age"] = audformat.Scheme("int")
    db.schemes["gender"] = audformat.Scheme("str")
    db.schemes["pause"] = audformat.Scheme("time")
    db.schemes["words"] = audformat.Scheme("str", labels={"a01": "Der Lappen"})
    db["people"] = audformat.MiscTable(pd.Index([7, 8], name="speaker", dtype="Int64"))
    for name, values in {"age": [31, None], "gender": ["male", "female"]}.items():
        db["people"][name] = audformat.Column(scheme_id=name)
        db["people"][name].set(values)
    db.schemes["speaker"] = audformat.Scheme("int", labels="people")
    files = [sound(folder / f"{name}.wav").name for name in "abc"]
    db["files"] = audformat.Table(audformat.filewise_index(files))
    columns = {"speaker": [7, 8, 8], "words": ["a01", None, None]}
    for name, values in columns.items():
        db["files"][name] = audformat.Column(scheme_id=name)
        db["files"][name].set(values)
    for split, rows in {"train": files[:2], "test": files[2:]}.items():
        db.splits[split] = audformat.Split(split)
        index = audformat.segmented_index(rows, ["0.1s"] * len(rows), ["1.25s"] * len(rows))
        table = db[f"emotion.{split}"] = audformat.Table(index, split_id=split)
        table["gold"] = audformat.Column(scheme_id="emotion")
        table["gold"].set(["anger", "joy"][: len(rows)])
        table["pause"] = audformat.Column(scheme_id="pause")
        table["pause"].set(pd.to_timedelta(["1.5s", None][: len(rows)]))
    db.save(str(folder), storage_format=storage_format)
    return folder


@pytest.mark.parametrize("storage_format", ["csv", "parquet"])
def test_a_database_of_audformat(tmp_path, storage_format):
    root = database(tmp_path / "db", storage_format)
    corpus = corpora.read(root)
    assert (corpus.kind, corpus.name, corpus.warnings) == ("audformat", "speech", ())
    first, second, third = corpus.utterances
    assert first.id == "speech/a.wav#000000.100-000001.250"
    assert (first.speaker, first.emotion, first.start, first.end) == ("7", "anger", 0.1, 1.25)
    assert first.attributes == {
        "age": 31, "sex": "male", "language": "de", "split": "train", "pause": 1.5, "words": "a01",
        "words_label": "Der Lappen",
    }  # fmt: skip
    assert second.attributes == {"sex": "female", "language": "de", "split": "train"}
    assert (third.emotion, third.attributes["split"]) == ("anger", "test")
    assert corpora.read(root, table="emotion.test").utterances == (third,)
    whole = corpora.read(root, table="files").utterances
    assert [(u.speaker, u.emotion, u.start) for u in whole] == [
        ("7", None, None), ("8", None, None), ("8", None, None),
    ]  # fmt: skip


def test_an_audformat_database_without_the_table_asked_for(tmp_path):
    root = database(tmp_path / "db")
    with pytest.raises(CorpusError, match=r"no table 'gold'; its tables are emotion.test"):
        corpora.read(root, table="gold")
    with pytest.raises(UsageError, match="--table names a table of an audformat database"):
        corpora.read(root, "folder", table="gold")
    (root / "db.files.csv").rename(root / "db.files.pkl")
    with pytest.raises(CorpusError, match=r"db.files.csv: not found; .*not as pickles"):
        corpora.read(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "expected the header of an audformat"),
        ("name: x", "it names no table"),
        ("tables: [a]", "expected the header of an audformat"),
        ("tables: {a: !!python/object/apply:os.getcwd []}", "could not determine a constructor"),
        ("tables: {a: {columns: {emotion: {}}}, b: {columns: {emotion: {}}}}", "disagree about"),
        ("tables: {a: {columns: {emotion: {}}}, c: {type: segmented, columns: {emotion: {}}}}",
         "emotions of whole files and of segments"),
    ],
)  # fmt: skip
def test_bad_databases_are_refused(text, message, tmp_path):
    rows = "file,emotion\na.wav,{}\n"
    tables = {"db.a.csv": rows.format("sad"), "db.b.csv": rows.format("joy"), "a.wav": ""}
    with pytest.raises(CorpusError, match=message):
        corpora.read(plant(tmp_path, {"db.yaml": text, **tables}))


def parquet(path: Path, sounds: list[dict], **columns) -> Path:
    """A Parquet file as `datasets` writes it, with a ClassLabel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    struct = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({"audio": pyarrow.array(sounds, struct), **columns})
    features = {name: {"_type": "Value"} for name in columns}
    features["audio"] = {"_type": "Audio", "sampling_rate": 8000}
    features["label"] = {"_type": "ClassLabel", "names": ["anger", "joy"]}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = table.replace_schema_metadata(metadata)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_stream(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("name", ["data/test-00000-of-00001.parquet", "test/data-00000.arrow"])
def test_recordings_beside_a_hugging_face_data_set(tmp_path, name):
    root = tmp_path / "set"
    sound(root / "wav" / "a.wav"), sound(root / "wav" / "b.wav")
    sounds = [{"path": f"wav/{n}.wav"} for n in ("a", "b", "gone")]
    people = {"speaker_id": [3, 4, 4], "gender": ["F", "M", "M"], "scores": [[1], [2], [3]]}
    parquet(root / name, sounds, label=[1, -1, 0], **people)
    corpus = corpora.read(root)
    assert [(u.id, u.speaker, u.emotion, u.attributes) for u in corpus.utterances] == [
        ("set/wav/a.wav", "3", "joy", {"sex": "female", "split": "test"}),
        ("set/wav/b.wav", "4", None, {"sex": "male", "split": "test"}),
    ]
    assert corpus.warnings == (
        "columns that are neither text nor numbers, left out: 1 (first: scores)",
        "rows of missing recordings, left out: 1 (first: wav/gone.wav)",
    )


@pytest.mark.parametrize("name", ["train-00000-of-00001.parquet", "train/data-00000.arrow"])
def test_recordings_inside_of_parquet_are_unpacked_once(tmp_path, capsys, name):
    contents = [
        sound(tmp_path / f"{k}.{e}", seed=k).read_bytes() for k, e in ((0, "wav"), (1, "flac"))
    ]
    root, out = tmp_path / "set", tmp_path / "out"
    sounds = [{"bytes": contents[0], "path": "../../x\\y z.wav"}, {"bytes": contents[1]}]
    parquet(root / name, sounds, label=[0, 1])
    with pytest.raises(CorpusError, match=r"python -m data unpack .* -o FOLDER"):
        corpora.read(root)
    assert unpack.main([str(root), "-o", str(out)]) == 0
    assert "2 recordings" in capsys.readouterr().out
    corpus = corpora.read(out)
    assert [u.file.read_bytes() for u in corpus.utterances] == contents
    assert [(u.emotion, u.attributes) for u in corpus.utterances] == [
        ("anger", {"split": "train"}),
        ("joy", {"split": "train"}),
    ]
    assert [u.file.suffix for u in corpus.utterances] == [".wav", ".flac"]
    with pytest.raises(UsageError, match="not empty"):
        unpack.main([str(root), "-o", str(out)])
    with pytest.raises(CorpusError, match="no Parquet or Arrow file"):
        unpack.main([str(out), "-o", str(tmp_path / "again")])
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("where", ["", "train/"])
def test_an_audiofolder(tmp_path, where):
    files = {f"{where}a.wav": "", f"{where}b.wav": ""}
    table = "file_name,label,gender\na.wav,sad,female\nb.wav,joy,male\n"
    root = plant(tmp_path / "set", {f"{where}metadata.csv": table, **files})
    corpus = corpora.read(root)
    split = {"split": "train"} if where else {}
    assert corpus.kind == "huggingface"
    assert [(u.id, u.emotion, u.attributes) for u in corpus.utterances] == [
        (f"set/{where}a.wav", "sad", {"sex": "female"} | split),
        (f"set/{where}b.wav", "joy", {"sex": "male"} | split),
    ]


def test_a_loading_script_is_refused_and_never_run(tmp_path):
    script = "import datasets\nopen('ran', 'w')\nclass A(datasets.GeneratorBasedBuilder): pass\n"
    root = plant(tmp_path / "set", {"set.py": script, "sad/a.wav": ""})
    with pytest.raises(CorpusError, match=r"loading script set.py is not run \(no remote code\)"):
        corpora.read(root)
    plant(root, {"set.py": "print('no builder')"})
    assert corpora.read(root).kind == "folder"


def cut(**changes) -> dict:
    recording = {
        "id": "r", "sampling_rate": 8_000, "num_samples": 80_000, "duration": 10.0,
        "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
    }  # fmt: skip
    cut = {"id": "c", "type": "MonoCut", "start": 0.0, "duration": 10.0, "channel": 0}
    return cut | {"recording": recording | changes.pop("recording", {})} | changes


def cuts(path: Path, *listed: dict) -> Path:
    plant(path.parent, {"a.wav": "", path.name: "".join(json.dumps(c) + "\n" for c in listed)})
    return path


def test_cuts_of_lhotse(tmp_path):
    said = [
        {"start": 1.0, "duration": 2.0, "speaker": "s1", "gender": "F", "language": "en",
         "custom": {"emotion": "sad", "valence": 2.5, "more": [1]}},
        {"start": 4.0, "duration": 1.0, "speaker": "s2", "text": "yes"},
    ]  # fmt: skip
    path = cuts(tmp_path / "dev.jsonl", cut(), cut(start=2.0, duration=8.0, supervisions=said))
    corpus = corpora.read_all([path])[0]
    assert (corpus.kind, corpus.name) == ("lhotse", "dev")
    whole, first, second = corpus.utterances
    assert (whole.id, whole.start, whole.end) == ("dev/a.wav", None, None)
    assert (first.id, first.start, first.end) == ("dev/a.wav#000003.000-000005.000", 3.0, 5.0)
    assert (first.speaker, first.emotion) == ("s1", "sad")
    assert first.attributes == {"sex": "female", "language": "en", "valence": 2.5}
    assert (second.speaker, second.start, second.attributes) == ("s2", 6.0, {"text": "yes"})
    assert corpora.read(tmp_path).utterances == corpus.utterances


@pytest.mark.parametrize(
    "bad",
    [
        cut(recording={"sources": [{"type": "command", "channels": [0], "source": "rm a.wav"}]}),
        cut(recording={"sources": [{"type": "url", "channels": [0], "source": "http://a/a.wav"}]}),
        cut(recording={"sources": [{"type": "file", "channels": [0, 1], "source": "a.wav"}]}),
        cut(recording={"transforms": [{"name": "Speed"}]}),
        cut(start="soon"),
        {"id": "m", "type": "MixedCut", "tracks": []},
    ],
)
def test_cuts_that_are_no_stretch_of_a_file_are_left_out(bad, tmp_path):
    path = cuts(tmp_path / "c.jsonl", cut(id="good"), bad)
    corpus = corpora.read(path)
    assert len(corpus.utterances) == 1
    (warning,) = corpus.warnings
    assert f"whole recordings in files, left out: 1 (first: {bad['id']})" in warning
    with pytest.raises(CorpusError, match="left out: 1"):
        corpora.read(cuts(tmp_path / "c.jsonl", bad))


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


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    plant(tmp_path, {"c/a.wav": "text"})
    found = [Utterance("c/a", "c", tmp_path / "c", "a.wav")]
    with pytest.raises(CorpusError, match="lhotse needs rate and length"):
        interchange.write(tmp_path / "out", "lhotse", found)
    with pytest.raises(CorpusError, match="two utterances of one segment"):
        interchange.write(tmp_path / "out", "audformat", found * 2)
    with pytest.raises(CorpusError, match="missing"):
        interchange.write(tmp_path / "out", "huggingface", [replace(found[0], path="b.wav")])
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
