"""The contract of all corpus modules, and special cases of each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_names import EXAMPLES, files
from trees import attributes, plant

from data import corpora
from data.emotions import SHARED, to_shared
from data.errors import CorpusError, UsageError

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 3.0000, 1.5000]
"""


def cut(emotion: str, speaker: str) -> str:
    recording = {"sources": [{"type": "file", "channels": [0], "source": "a.wav"}], "duration": 9}
    supervision = {"start": 0, "duration": 1, "speaker": speaker, "custom": {"emotion": emotion}}
    return json.dumps(
        {"type": "MonoCut", "start": int(speaker), "duration": 1, "channel": 0,
         "recording": recording, "supervisions": [supervision]}
    )  # fmt: skip


TREES = {
    "audformat": {
        "db.yaml": "name: audformat\ntables: {emotion: {type: filewise, columns: {emotion: {}}}}\n",
        "db.emotion.csv": "file,emotion,speaker\na.wav,sad,01\nb.wav,joy,02\n",
        "a.wav": "",
        "b.wav": "",
    },
    "huggingface": {
        "metadata.jsonl": '{"file_name": "a.wav", "emotion": "sad", "speaker": "01"}\n'
        '{"file_name": "b.wav", "emotion": "joy", "speaker": "02"}\n',
        "a.wav": "",
        "b.wav": "",
    },
    "lhotse": {"cuts.jsonl": "\n".join(map(cut, ("sad", "joy"), ("01", "02"))), "a.wav": ""},
    "ravdess": {
        "Actor_01/03-01-06-01-02-01-01.wav": "",
        "Actor_02/03-02-02-02-01-02-02.flac": "",
    },
    "crema-d": {"AudioWAV/1001_DFA_ANG_XX.wav": "", "AudioWAV/1002_IEO_HAP_LO.wav": ""},
    "tess": {"OAF_Fear/OAF_back_fear.wav": "", "YAF_pleasant_surprised/YAF_back_ps.wav": ""},
    "emodb": {"wav/03a01Fa.wav": "", "wav/16b10Wb.wav": ""},
    "iemocap": {
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav": "",
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M001.wav": "",
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": EVALUATION,
        "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt": "",
        "Session1/dialog/wav/Ses01F_impro01.wav": "",
    },
    **{name: files(name) for name in EXAMPLES},
    "folder": {"angry/a.wav": "", "happy/b.mp3": "", "happy/C.OGG": ""},
    "table": {
        "takes.csv": "file,emotion,speaker,start,end,age\n"
        "a.wav,sad,01,0,1.5,30\na.wav,joy,01,2,,30\n",
        "a.wav": "",
    },
}


OPEN = ("audformat", "huggingface", "lhotse", "folder", "table")  # of any names of recordings
KNOWN = [name for name in corpora.names() if name not in OPEN]


def standin(name: str, folder: Path) -> Path:
    root = plant(folder / name, TREES[name])
    return root / "takes.csv" if name == "table" else root


@pytest.mark.parametrize("name", corpora.names())
def test_contract(name: str, tmp_path: Path) -> None:
    root = standin(name, tmp_path)
    module = corpora.module(name)
    stated = ("TITLE",) if name in OPEN else ("TITLE", "ORIGIN", "CITATION")
    assert all(isinstance(getattr(module, constant), str) for constant in stated)
    assert module.SIZE is None or module.SIZE > 0

    assert corpora.recognise(corpora.walk(root)) == name
    corpus = corpora.read(root)
    assert (corpus.kind, corpus.root) == (name, root)
    assert corpora.read(str(root), name) == corpus
    assert corpus.warnings == ()
    ids = [u.id for u in corpus.utterances]
    assert len(ids) >= 2
    assert ids == sorted(set(ids))
    for utterance in corpus.utterances:
        assert utterance.corpus == corpus.name
        assert utterance.id.startswith(f"{corpus.name}/")
        assert utterance.file.is_file()
        assert not utterance.path.startswith(("/", "."))
        assert "\\" not in utterance.path
        assert utterance.emotion or name == "baved"
        assert to_shared(utterance.corpus, utterance.emotion) in (*SHARED, None)
        if name != "msp-podcast":  # some speakers are unknown
            assert (utterance.speaker is None) == (name in ("folder", "mesd", "resd"))
        assert all(
            isinstance(v, str | int | float) and v != "" for v in utterance.attributes.values()
        )


@pytest.mark.parametrize("name", KNOWN)
def test_known_corpora_ignore_junk_and_count_strangers(name: str, tmp_path: Path) -> None:
    root = standin(name, tmp_path)
    clean = corpora.read(root)
    plant(root, ["._03-01-06-01-02-01-01.wav", "__MACOSX/x.wav", ".cache/y.wav", "notes.txt"])
    assert corpora.read(root) == clean
    plant(root, ["zz/theme tune.mp3"])
    assert corpora.recognise(corpora.walk(root)) == name
    noisy = corpora.read(root)
    assert noisy.utterances == clean.utterances
    assert [w for w in noisy.warnings if "left out: 1 (first: zz/theme tune.mp3)" in w]


@pytest.mark.parametrize("name", KNOWN)
def test_known_corpora_read_a_nested_second_copy_once(name: str, tmp_path: Path) -> None:
    root = standin(name, tmp_path)
    clean = corpora.read(root)
    plant(root, {f"zz copy/{path}": text for path, text in TREES[name].items()})
    doubled = corpora.read(root)
    assert doubled.utterances == clean.utterances
    (warning,) = doubled.warnings
    assert f"repeat a recording, left out: {len(clean.utterances)} (first: zz copy/" in warning


def test_a_recording_is_its_name_however_packed(tmp_path: Path) -> None:
    root = plant(tmp_path, ["a/03a01Fa.flac", "b/03a01Fa.wav", "c/03a01Na.FLAC"])
    corpus = corpora.read(root)
    assert [(u.id, u.path) for u in corpus.utterances] == [
        ("emodb/03a01Fa", "b/03a01Fa.wav"),
        ("emodb/03a01Na", "c/03a01Na.FLAC"),
    ]


def test_ravdess_actor_is_the_one_in_the_name(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        [
            "Actor_01/03-01-05-02-01-01-24.wav",
            "Actor_24/03-02-08-01-02-02-24.wav",
            "Actor_24/x.mkv",
        ],
    )
    corpus = corpora.read(root)
    assert [u.speaker for u in corpus.utterances] == ["24", "24"]
    assert corpus.warnings == (
        "recordings in another actor's folder; the file name is used: "
        "1 (first: Actor_01/03-01-05-02-01-01-24.wav)",
    )
    assert [u.emotion for u in corpus.utterances] == ["angry", "surprised"]
    assert attributes(corpus, "ravdess/03-01-05-02-01-01-24") == {
        "language": "en",
        "sex": "female",
        "vocal_channel": "speech",
        "intensity": "strong",
        "statement": "kids",
        "sentence": "Kids are talking by the door",
        "repetition": 1,
    }
    assert attributes(corpus, "ravdess/03-02-08-01-02-02-24")["vocal_channel"] == "song"


CREMA_TABLES = {
    "VideoDemographics.csv": '"ActorID","Age","Sex","Race","Ethnicity"\n'
    '1001,51,"Male","Caucasian","Not Hispanic"\n',
    "processedResults/summaryTable.csv": '"","FileName","VoiceVote"\n'
    '"1","1001_DFA_ANG_XX","N"\n"2","1002_IEO_HAP_LO","A:F"\n',
}


@pytest.mark.parametrize("root", [".", "AudioWAV"])
def test_crema_d_tables_are_found_in_the_root_and_beside_it(root: str, tmp_path: Path) -> None:
    plant(tmp_path, TREES["crema-d"] | CREMA_TABLES)
    corpus = corpora.read(tmp_path / root)
    assert attributes(corpus, "crema-d/1001_DFA_ANG_XX") == {
        "language": "en",
        "intensity": "unspecified",
        "sentence": "DFA",
        "text": "Don't forget a jacket",
        "sex": "male",
        "age": 51,
        "race": "Caucasian",
        "ethnicity": "Not Hispanic",
        "emotion_perceived": "N",
    }
    tied = attributes(corpus, "crema-d/1002_IEO_HAP_LO")
    assert "emotion_perceived" not in tied
    assert tied["intensity"] == "low"


def test_crema_d_refuses_a_table_of_something_else(tmp_path: Path) -> None:
    root = plant(tmp_path, TREES["crema-d"] | {"VideoDemographics.csv": "ActorID,Age\n1001,51\n"})
    with pytest.raises(
        CorpusError, match=r"VideoDemographics\.csv: no column Sex, Race, Ethnicity"
    ):
        corpora.read(root)


def test_crema_d_has_no_attributes_that_the_demographics_lack(tmp_path: Path) -> None:
    table = "ActorID,Age,Sex,Race,Ethnicity\n1001,?,Male\n"
    corpus = corpora.read(plant(tmp_path, TREES["crema-d"] | {"VideoDemographics.csv": table}))
    known = attributes(corpus, "crema-d/1001_DFA_ANG_XX")
    assert known.keys() == {"language", "intensity", "sentence", "text", "sex"}


def test_tess_misspelt_speaker_and_folder_spellings(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        ["OAF_neutral/OA_bite_neutral.wav", "oaf_pleasant_surprise/oaf_Bite_PS.wav"]
        + ["YAF_Sad/YAF_bite_sad.wav"],
    )
    corpus = corpora.read(root)
    assert [(u.id, u.speaker, u.emotion) for u in corpus.utterances] == [
        ("tess/OAF_bite_neutral", "OAF", "neutral"),
        ("tess/OAF_bite_ps", "OAF", "ps"),
        ("tess/YAF_bite_sad", "YAF", "sad"),
    ]
    older = {"language": "en", "sex": "female", "age": 64, "age_group": "older", "word": "bite"}
    assert attributes(corpus, "tess/OAF_bite_ps") == older
    assert attributes(corpus, "tess/YAF_bite_sad") == older | {"age": 26, "age_group": "younger"}


def test_emodb_ratings(tmp_path: Path) -> None:
    root = plant(tmp_path, TREES["emodb"])
    table = "Nr.\tSatz\terkannt\tnatürlich\r\n3\xa0 \t03a01Fa.wav\t92,50\xa0 \t75,00\xa0\xa0\r\n"
    (root / "erkennung.txt").write_bytes(table.encode("latin-1"))
    corpus = corpora.read(root)
    rated = attributes(corpus, "emodb/03a01Fa")
    assert (rated["recognised"], rated["naturalness"]) == (92.5, 75.0)
    assert (rated["sex"], rated["age"], rated["sentence"], rated["version"]) == (
        "male",
        31,
        "a01",
        "a",
    )
    assert "recognised" not in attributes(corpus, "emodb/16b10Wb")


def test_iemocap_speaker_is_the_speaker_of_the_turn(tmp_path: Path) -> None:
    root = standin("iemocap", tmp_path)
    for place in (root, root.parent, root / "Session1"):
        corpus = corpora.read(place, "iemocap")
        assert [(u.speaker, u.emotion) for u in corpus.utterances] == [
            ("Ses01F", "neu"),
            ("Ses01M", "xxx"),
        ]
    assert attributes(corpus, "iemocap/Ses01F_impro01_M001") == {
        "language": "en",
        "sex": "male",
        "session": "1",
        "style": "improvised",
        "valence": 2.5,
        "arousal": 3.0,
        "dominance": 1.5,
    }


def test_iemocap_leaves_out_labels_without_a_recording(tmp_path: Path) -> None:
    root = standin("iemocap", tmp_path)
    wav = root / "Session1/sentences/wav/Ses01F_impro01"
    (wav / "Ses01F_impro01_F000.wav").unlink()
    (wav / "Ses01F_impro01_F009.wav").touch()
    corpus = corpora.read(root)
    assert [u.id for u in corpus.utterances] == ["iemocap/Ses01F_impro01_M001"]
    assert [w.partition(" (")[0] for w in corpus.warnings] == [
        "recordings without labels, left out: 1",
        "labels without a recording, left out: 1",
    ]


def test_iemocap_without_labels_is_reported(tmp_path: Path) -> None:
    root = standin("iemocap", tmp_path)
    with pytest.raises(CorpusError, match="EmoEvaluation"):
        corpora.read(root / "Session1/sentences/wav")


def test_links_that_leave_the_root_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, ["out/sad/x.wav", "in/sad/y.wav", "in/store/z.wav"])
    (tmp_path / "in" / "joy").symlink_to(tmp_path / "out" / "sad")
    (tmp_path / "in" / "sad" / "x.wav").symlink_to(tmp_path / "out" / "sad" / "x.wav")
    (tmp_path / "in" / "sad" / "inner.wav").symlink_to(tmp_path / "in" / "store" / "z.wav")
    (tmp_path / "in" / "sad" / "loop").symlink_to(tmp_path / "in")
    strict = corpora.read(tmp_path / "in")
    assert [u.path for u in strict.utterances] == ["sad/inner.wav", "sad/y.wav", "store/z.wav"]
    assert strict.warnings == (
        "links that leave the folder, not followed without --follow-links: 2 (first: joy)",
    )
    loose = corpora.read(tmp_path / "in", follow_links=True)
    assert [u.path for u in loose.utterances] == [
        "joy/x.wav",
        "sad/inner.wav",
        "sad/x.wav",
        "sad/y.wav",
        "store/z.wav",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, ["sad/a.wav"])
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/sad/\xff.wav")).touch()
    corpus = corpora.read(tmp_path)
    assert len(corpus.utterances) == 1
    assert corpus.warnings[0].startswith("names that are not valid UTF-8, left out: 1")
    corpus.warnings[0].encode()


def test_wrong_roots_and_names(tmp_path: Path) -> None:
    plant(tmp_path, ["empty/notes.txt", "tess/x.wav", "text.txt"])
    with pytest.raises(CorpusError, match=r"no such file or folder: .*nowhere"):
        corpora.recognise(corpora.walk(tmp_path / "nowhere"))
    with pytest.raises(CorpusError, match="contains no audio"):
        corpora.recognise(corpora.walk(tmp_path / "empty"))
    with pytest.raises(CorpusError, match="expected a folder, a table"):
        corpora.read(tmp_path / "text.txt")
    with pytest.raises(CorpusError, match=r"contains no file name of tess \(first: x.wav\)"):
        corpora.read(tmp_path / "tess", "tess")
    with pytest.raises(UsageError, match="no corpus is called 'nowhere'; known: aesdd, ased"):
        corpora.read(tmp_path / "tess", "nowhere")
    with pytest.raises(CorpusError, match="a table, expected a folder"):
        corpora.read(standin("table", tmp_path), "folder")
    with pytest.raises(UsageError, match="a pattern describes a folder"):
        corpora.read(tmp_path / "tess", "tess", pattern="{emotion}.wav")


def test_a_recording_given_twice_is_read_once(tmp_path: Path) -> None:
    root = standin("emodb", tmp_path)
    once = corpora.read_all([root])
    (twice,) = corpora.read_all([root, root / "wav", root / "wav" / "03a01Fa.wav"])
    assert [twice] == once
    plant(tmp_path / "f", ["sad/a.wav", "joy/b.wav"])
    whole, part = tmp_path / "f", tmp_path / "f" / "sad"
    assert [len(c.utterances) for c in corpora.read_all([whole, part])] == [2]
    assert [len(c.utterances) for c in corpora.read_all([part, whole])] == [1, 1]


def test_two_recordings_of_one_id_are_refused_with_both_names(tmp_path: Path) -> None:
    first, second = plant(tmp_path / "1", ["03a01Fa.wav"]), plant(tmp_path / "2", ["03a01Fa.wav"])
    with pytest.raises(CorpusError) as caught:
        corpora.read_all([first, second])
    assert str(first / "03a01Fa.wav") in str(caught.value)
    assert str(second / "03a01Fa.wav") in str(caught.value)


def test_corpus_modules_are_imported_only_when_needed() -> None:
    program = (
        "import sys, data.corpora; data.corpora.names();"
        "assert {m for m in sys.modules if m.startswith('data.corpora.')} == {'data.corpora.tree'};"
        "assert not {'numpy', 'pandas', 'soundfile', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_hundred_thousand_names_are_recognised(tmp_path: Path) -> None:

    from data.corpora.tree import Tree

    names = tuple(f"deep/folder/{n:06}.wav" for n in range(100_000))
    tree = Tree(tmp_path, names)
    known = [corpora.recognises(name, tree) for name in corpora.names()]
    assert known == [False] * (len(known) - 1) + [True]
