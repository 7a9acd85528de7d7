"""Data sets as audformat, Hugging Face and lhotse write them, and what is refused of them."""

import json
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from trees import plant, sound

from data import corpora
from data.commands import unpack
from data.errors import CorpusError, UsageError


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
