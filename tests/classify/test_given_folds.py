"""Folds of files and columns are used as they are; the audit finds what their parts share."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import PredefinedSplit

from classify.dataset import select, sound
from classify.evaluation.division import divide
from classify.evaluation.fold_files import entries
from classify.evaluation.folds_audit import Shared
from classify.evaluation.run import evaluate as cross_validate
from classify.options import Options
from data import spreadsheet
from data.errors import UsageError, Wav2emoError


def divided(cache: Path, folds: object, **options):
    chosen = Options(cache=cache, head="logreg", folds=str(folds), **options)
    with sound(cache) as opened:
        return divide(select(opened.utterances, chosen), chosen)


def table_of(cache: Path) -> pd.DataFrame:
    with sound(cache) as opened:
        return opened.utterances


def written(file: Path, header: str, rows) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header.split(","), *rows])
    return file


def named(selection, folds) -> dict[str, tuple[set[str], set[str]]]:
    """Fold → ids of its training and of its test part."""
    ids = selection.utterances["id"].to_numpy()
    parts = [({*ids[fitted]}, {*ids[tested]}) for fitted, tested in folds.parts]
    return dict(zip(folds.names, parts, strict=True))


def test_a_fold_alone_is_tested_and_the_others_train(cache, leaking) -> None:
    found = named(*divided(cache, leaking))
    of = {row["id"]: row["fold"] for row in csv.DictReader(leaking.open())}
    for name in ("f0", "f1", "f2"):
        tested = {id for id, fold in of.items() if fold == name}
        assert found[name] == ({*of} - tested, tested)


def test_parts_are_used_as_they_are_and_development_is_left_out(cache, official, caplog) -> None:
    selection, folds = divided(cache, official)
    rows = list(csv.DictReader(official.open()))
    expected = tuple({row["id"] for row in rows if row["part"] == part}
                     for part in ("train", "test"))  # fmt: skip
    assert named(selection, folds) == {"a": expected}
    assert len(selection.y) == 64
    assert folds.audit.left_out == {"unnamed": 0, "development": 16}
    assert "16 of 80 utterances of development parts alone" in caplog.text


@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["C"]), min_size=1),
            st.text(st.characters(exclude_categories=["C"]), min_size=1),
            st.sampled_from(["train", "dev", "test"]),
        )
    )
)
def test_a_written_table_is_read_as_it_was(rows, tmp_path_factory) -> None:
    file = tmp_path_factory.mktemp("round") / "folds.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        spreadsheet.write(out, [("file", "fold", "part"), *rows])
    parts = {"dev": "development"}
    assert entries(str(file)) == [(a, b, parts.get(part, part)) for a, b, part in rows]


def test_a_column_of_parts_is_one_fold_and_other_columns_a_fold_a_value(make_cache) -> None:
    parts = np.random.default_rng(0).choice(["train", "test", ""], 80)
    takes = np.arange(80) % 4
    cache = make_cache(columns={"split": parts.tolist(), "take": takes.astype(float).tolist()})
    table = table_of(cache)
    ids, parts, takes = (table[name].to_numpy() for name in ("id", "split", "take"))
    used = parts != ""
    ((fitted, tested),) = PredefinedSplit(np.where(parts[used] == "test", 0, -1)).split()
    expected = {*ids[used][fitted]}, {*ids[used][tested]}
    assert named(*divided(cache, "column:split")) == {"split": expected}
    of_takes = [({*ids[fitted]}, {*ids[tested]}) for fitted, tested in
                PredefinedSplit(takes).split()]  # fmt: skip
    assert list(named(*divided(cache, "column:take")).values()) == of_takes


def emobox(folder: Path, folds: dict[str, tuple[set[str], set[str]]]) -> Path:
    """Files as EmoBox has them."""
    for fold, parts in folds.items():
        for part, ids in zip(("train", "test"), parts, strict=True):
            file = folder / f"fold_{fold}" / f"emodb_{part}_fold_{fold}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            names = [one.rpartition("/")[2] for one in sorted(ids)]
            records = [
                {"key": f"emodb-{name}", "dataset": "emodb", "emo": "anger", "channel": 1,
                 "wav": f"downloads/emodb/wav/{name}.wav"} for name in names
            ]  # fmt: skip
            file.write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "emodb.jsonl").write_text('{"key": "emodb-unknown"}\n')  # all of the corpus
    return folder


def test_the_files_of_emobox(cache, leaking, tmp_path) -> None:
    expected = {name[1:]: parts for name, parts in named(*divided(cache, leaking)).items()}
    expected["10"] = expected.pop("0")  # sorted as numbers
    folder = emobox(tmp_path / "emodb", expected)
    found = named(*divided(cache, folder))
    assert found == expected
    assert list(found) == ["1", "2", "10"]
    for file in folder.rglob("*fold_*.jsonl"):  # of the names alone
        file.write_text(re.sub(r', "wav": "[^"]*"', "", file.read_text()))
    assert named(*divided(cache, folder)) == expected


def test_the_files_of_emo_superb(cache, tmp_path) -> None:
    table, words, expected = table_of(cache), {0: "Test", 1: "Development"}, {}
    for fold in range(1, 6):
        number = (table["speaker"].astype(int) - fold) % 5
        rows = [(Path(one.path).name, 0.95, 1, "Male", words.get(n, "Train"))
                for one, n in zip(table.itertuples(), number, strict=True)]  # fmt: skip
        name = f"labels_consensus_{fold}"
        header = "FileName,angry,SpkrID,Gender,Split_Set"
        written(tmp_path / "IEMOCAP" / f"{name}.csv", header, rows)
        expected[name] = {*table["id"][number > 1]}, {*table["id"][number == 0]}
    written(tmp_path / "IEMOCAP" / "labels_consensus_6.csv", header, rows)
    pattern = tmp_path / "IEMOCAP" / "labels_consensus_[1-5].csv"
    assert named(*divided(cache, pattern)) == expected
    with pytest.raises(UsageError, match=r"is tested in fold \S+_5 and in fold \S+_6; give"):
        divided(cache, pattern.parent)


def test_files_are_found_by_the_end_of_their_path(make_cache, tmp_path) -> None:
    paths = [f"{part}/dia{n}.{k}.wav" for part in ("train", "dev") for n in range(20) for k in "ab"]
    cache = make_cache(columns={"path": paths, "id": [f"c/{n}" for n in range(80)]})
    given_paths = [f"C:\\meld\\{path[:-4]}.mp4".replace("/", "\\") for path in paths]
    file = written(tmp_path / "a.csv", "file,fold", zip(given_paths, "ab" * 40, strict=True))
    selection, folds = divided(cache, file)
    tested = selection.utterances["path"].iloc[folds.parts[0][1]]
    assert sorted(tested) == sorted(paths[::2])
    short = written(tmp_path / "b.csv", "file,fold", [("dia0.a.wav", "a"), ("dia1.a.wav", "b")])
    with pytest.raises(UsageError, match=r"dia0.a.wav may be \S+train/dia0\S+ and \S+dev/dia0"):
        divided(cache, short)


def test_a_file_stands_for_its_segments(make_cache, tmp_path) -> None:
    start = [n % 2 * 2.0 for n in range(80)]
    path = [f"{n // 2}.wav" for n in range(80)]
    cache = make_cache(columns={"path": path, "start": start, "end": [n + 2 for n in start]})
    rows = [(f"{n}.wav", n % 2) for n in range(40)]
    selection, folds = divided(cache, written(tmp_path / "a.csv", "file,fold", rows))
    tested = selection.utterances["path"].iloc[folds.parts[1][1]]
    assert sorted(tested) == sorted(name for name in path if int(name[:-4]) % 2)


def test_the_audit_counts_what_is_shared(make_cache, tmp_path) -> None:
    random = np.random.default_rng(1)
    sha256 = [f"{n:064x}" for n in random.integers(0, 60, 80)]
    cache = make_cache(columns={"sentence": [f"s{n}" for n in random.integers(0, 30, 80)],
                                "sha256": sha256}, speakers=10, takes=2)  # fmt: skip
    table = table_of(cache).set_index("id")
    fold = random.integers(0, 6, 80)
    file = written(tmp_path / "a.csv", "id,fold", zip(table.index, fold, strict=True))
    selection, folds = divided(cache, file)
    every = {"speaker": set(), "recording": set(), "sentence": set()}
    columns = dict(zip(every, ("speaker", "sha256", "sentence"), strict=True))
    for one, (fitted, tested) in zip(folds.audit.folds, named(selection, folds).values(),
                                     strict=True):  # fmt: skip
        assert (one.training, one.tested) == (len(fitted), len(tested))
        for name, column in columns.items():
            test = {*table.loc[[*tested], column]}
            shared = test & {*table.loc[[*fitted], column]}
            assert one.overlap[name] == Shared(len(shared), len(test)), name
            every[name] |= shared
        for missing, part in ((one.untrained, fitted), (one.untested, tested)):
            present = {*selection.truth[np.isin(selection.utterances["id"], [*part])]}
            assert {*missing} == {*selection.classes} - present
    for name, shared in every.items():
        found = Shared(len(shared), table[columns[name]].nunique())
        assert folds.audit.overlap[name] == found


def test_unknown_checksums_are_not_counted(make_cache, leaking) -> None:
    cache = make_cache(columns={"sha256": [""] * 80})
    _, folds = divided(cache, leaking)
    expected = {"speaker": Shared(5, 5), "recording": Shared(0, 80), "sentence": None}
    assert folds.audit.overlap == expected


@pytest.mark.parametrize("name", ["speaker", "recording", "sentence"])
def test_repair_drops_from_training_what_a_test_part_has(make_cache, tmp_path, name) -> None:
    shared = [f"{n // 20 if name == 'recording' else n:064x}" for n in range(80)]
    sentences = [f"s{n // 16}" for n in range(80)]
    cache = make_cache(columns={"sha256": shared, "sentence": sentences})
    column = {"recording": "sha256"}.get(name, name)
    table = table_of(cache)
    own = {value: n // 2 for n, value in enumerate(table[column].unique())}
    own_fold = [own[value] for value in table[column]]
    own_fold[0] = 2  # one utterance of the first speaker, recording, sentence is in another fold
    file = written(tmp_path / "a.csv", "id,fold", zip(table["id"], own_fold, strict=True))
    before = named(*divided(cache, file))
    selection, folds = divided(cache, file, repair=(name,))
    of, dropped = dict(zip(table["id"], table[column], strict=True)), 0
    for fold, (fitted, tested) in named(selection, folds).items():
        values = {of[id] for id in before[fold][1]}
        assert tested == before[fold][1]
        assert fitted == {id for id in before[fold][0] if of[id] not in values}
        dropped += len(before[fold][0]) - len(fitted)
    assert dropped > 0
    assert sum(fold.dropped for fold in folds.audit.folds) == dropped
    assert f"--repair {name} dropped {dropped:,} of " in folds.audit.findings["repaired"]
    assert folds.audit.overlap[name].shared == 0


def test_repair_reports_an_empty_training_part(cache, leaking, make_cache) -> None:
    with pytest.raises(UsageError, match="every speaker in the training part of fold f0 is in its"):
        divided(cache, leaking, repair=("speaker",))
    with pytest.raises(UsageError, match=r"--repair sentence: the sentences .* are unknown"):
        divided(cache, leaking, repair=("sentence",))
    with pytest.raises(
        UsageError, match=r"--repair voice: expected speaker, recording or sentence"
    ):
        Options(repair=("voice",))


def test_strict_refuses_what_leaks_and_takes_what_does_not(cache, leaking, official) -> None:
    with pytest.raises(Wav2emoError, match=r"--strict: 5 of 5 test speakers are also") as refused:
        divided(cache, leaking, strict=True)
    assert refused.value.exit_status == 1
    divided(cache, official, strict=True)
    divided(cache, "speaker", strict=True)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("id,fold", [("emodb/x", "a"), ("emodb/y", "a"), ("emodb/z", "b"), ("w", "b")],
         r"the cache lacks 4 of 4 names: emodb/x, emodb/y, emodb/z, …; embed them too"),
        ("id,fold", [("emodb/00W0", "a"), ("emodb/00W1", "a")], "fold a has no training part"),
        ("id,fold,part", [("emodb/00W0", "a", "train")], "fold a has no test part"),
        ("id,fold,part", [("emodb/00W0", "a", "left")], "row 2 has the part 'left', and not train"),
        ("id,fold,part", [], "it names no fold"),
        ("id,group", [], "it has the columns id, group; expected a CSV file"),
    ],
)  # fmt: skip
def test_a_malformed_file_of_folds_is_refused(cache, tmp_path, header, rows, message) -> None:
    with pytest.raises(UsageError, match=message):
        divided(cache, written(tmp_path / "a.csv", header, rows))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x_train_fold_1.jsonl", '{"emo": "anger"}', "line 1 has no key or wav; expected"),
        ("x_train_fold_1.jsonl", "id,fold", r"Expecting value.*; expected a CSV file"),
        ("x.jsonl", '{"key": "x"}', "its name has no part, train or test"),
        ("x.csv", "\xff", "expected a CSV file"),
        ("x.wav", "RIFF\0\0", "expected a CSV file"),
    ],
)
def test_a_file_without_folds_is_refused(cache, tmp_path, name, content, message) -> None:
    (tmp_path / name).write_text(content, "latin-1")
    with pytest.raises(UsageError, match=message):
        divided(cache, tmp_path / name)


def test_an_unknown_scheme_is_answered_with_columns_and_schemes(cache, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"--folds column:split: the cache has the columns id, "):
        divided(cache, "column:split")
    with pytest.raises(UsageError, match=r"expected auto, speaker, .*column:NAME.*no such file"):
        divided(cache, tmp_path / "nothing")


def test_names_that_are_not_selected_are_known(cache, leaking) -> None:
    selection, folds = divided(cache, leaking, labels="anger,sadness")
    assert len(folds.tested) == len(selection.y) == 40


def test_sessions_of_iemocap_are_left_out(make_cache, cache) -> None:
    speakers = [f"Ses0{1 + n // 16}{'FM'[n % 2]}" for n in range(80)]
    emotions = ["ang", "sad", "neu", "hap"] * 20
    of_iemocap = make_cache("i.h5", "iemocap", columns={"speaker": speakers, "emotion": emotions})
    selection, folds = divided(of_iemocap, "iemocap-session")
    assert [{*selection.speakers[test]} for _, test in folds.parts] == [
        {f"iemocap/Ses0{n}F", f"iemocap/Ses0{n}M"} for n in range(1, 6)
    ]
    with pytest.raises(UsageError, match="for IEMOCAP, and there are utterances of emodb"):
        divided(cache, "iemocap-session")


@pytest.mark.parametrize("head", ["logreg", "lda", "svm", "knn", "forest", "mlp"])
def test_a_class_that_training_lacks_is_never_predicted(make_cache, tmp_path, head) -> None:
    cache = make_cache(separation=4.0)
    table = table_of(cache)
    part = np.where(table["speaker"] == "04", "test", "train")
    part[(table["emotion"] == "L") & (part == "train")] = "dev"
    file = written(tmp_path / "a.csv", "id,part", zip(table["id"], part, strict=True))
    run = cross_validate(Options(cache=cache, head=head, folds=str(file)))
    (audit,) = run.folds.audit.folds
    assert audit.untrained == ("boredom",)
    assert not (run.result.prediction == run.dataset.classes.index("boredom")).any()
    others = [k for k, name in enumerate(run.dataset.classes) if name != "boredom"]
    right = run.result.prediction == run.dataset.y
    assert right[np.isin(run.dataset.y, others)].mean() > 0.5
    assert run.outcome.scores.utterances == 16


def test_an_encoder_may_be_trained_on_the_training_part(make_cache, official, tmp_path) -> None:
    tested = {row["id"] for row in csv.DictReader(official.open()) if row["part"] == "test"}
    ids = sorted(row["id"] for row in csv.DictReader(official.open()))
    for name, expected in (("training", False), ("test", True)):
        heard = ["fitted" if (id in tested) == expected else "" for id in ids]
        cache = make_cache(f"{name}.h5", columns={"id": ids, "speaker": [id[6:8] for id in ids],
                                                  "heard": heard})  # fmt: skip
        if expected:
            with pytest.raises(UsageError, match="has heard 16 of 16 tested utterances"):
                divided(cache, official)
        else:
            divided(cache, official)
            with pytest.raises(UsageError, match="has heard 64 of 80 tested utterances"):
                divided(cache, "auto")


def test_unknown_speakers_stay_unknown(make_cache, leaking, caplog) -> None:
    cache = make_cache(columns={"speaker": [""] * 80})
    _, folds = divided(cache, leaking)
    assert "speakers are unknown" in caplog.text
    assert not folds.by_speaker
    assert folds.audit.overlap["speaker"] is None
