"""Whole corpora: the published file lists as trees of empty files, and the real recordings at hand.

Needs CORPORA, a folder with ``layouts/``, ``emodb/`` and ``ravdess/``. What each label and speaker
must be is told here by splitting names, not by the corpus modules' own expressions.
"""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from data import corpora
from data.emotions import parse_labels

CORPORA = os.environ.get("CORPORA")
pytestmark = pytest.mark.skipif(not CORPORA, reason="CORPORA names no folder of corpora")
HERE = Path(CORPORA or ".")


def listed(name: str) -> list[str]:
    return (HERE / "layouts" / f"{name}.files.txt").read_text().split()


def plant(root: Path, paths: list[str]) -> Path:
    for folder in {os.path.dirname(path) for path in paths}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path in paths:
        (root / path).touch()
    return root


def test_crema_d(tmp_path: Path) -> None:
    paths = listed("crema-d")
    root = plant(tmp_path, paths)
    for table in ("VideoDemographics.csv", "summaryTable.csv"):
        (root / table).write_bytes((HERE / "layouts" / f"crema-d.{table}").read_bytes())
    with (root / "VideoDemographics.csv").open(newline="") as file:
        people = {row["ActorID"]: row for row in csv.DictReader(file)}
    with (root / "summaryTable.csv").open(newline="") as file:
        votes = {row["FileName"]: row["VoiceVote"] for row in csv.DictReader(file)}

    corpus = corpora.read(root)
    assert (corpus.name, corpus.warnings) == ("crema-d", ())
    assert sorted(u.path for u in corpus.utterances) == sorted(paths)
    assert len(corpus.utterances) == corpus.published == 7442
    intensities = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
    for utterance in corpus.utterances:
        name = utterance.file.stem
        actor, sentence, emotion, intensity = name.split("_")
        assert utterance.id == f"crema-d/{name}"
        assert (utterance.speaker, utterance.emotion) == (actor, emotion)
        attributes = utterance.attributes
        assert attributes["sentence"] == sentence
        assert attributes["intensity"] == intensities[intensity]
        assert attributes["sex"] == people[actor]["Sex"].lower()
        assert attributes["age"] == float(people[actor]["Age"])
        assert attributes["race"] == people[actor]["Race"]
        assert attributes["ethnicity"] == people[actor]["Ethnicity"]
        vote = votes[name] if ":" not in votes[name] else None
        assert attributes.get("emotion_perceived") == vote
    assert Counter(u.emotion for u in corpus.utterances) == {
        **dict.fromkeys(("ANG", "DIS", "FEA", "HAP", "SAD"), 1271),
        "NEU": 1087,
    }
    assert len({u.speaker for u in corpus.utterances}) == 91
    assert len({u.attributes["text"] for u in corpus.utterances}) == 12


@pytest.mark.parametrize("respelt", [False, True])
def test_tess(respelt: bool, tmp_path: Path) -> None:
    paths = listed("tess")
    expected = {path.rpartition("/")[2][:-4].lower(): path for path in paths}
    if respelt:  # as in the most common download: misspelt, doubled, otherwise spelt folders
        paths = [path.replace("OAF_bite_neutral", "OA_bite_neutral") for path in paths]
        paths = [
            path.replace("OAF_Fear", "OAF_fear").replace("YAF_sad/", "YAF_Sad/") for path in paths
        ]
        paths += [f"TESS Toronto emotional speech set data/{path}" for path in paths]
    corpus = corpora.read(plant(tmp_path, paths))
    assert corpus.name == "tess"
    assert len(corpus.utterances) == corpus.published == 2800
    assert len(corpus.warnings) == int(respelt)
    assert all(": 2800 (first: TESS" in warning for warning in corpus.warnings)
    assert {u.id.removeprefix("tess/").lower() for u in corpus.utterances} == expected.keys()
    for utterance in corpus.utterances:
        speaker, word, emotion = utterance.file.stem.split("_")
        older = speaker != "YAF"
        assert utterance.speaker == ("OAF" if older else "YAF")
        assert utterance.emotion == emotion.lower()
        assert utterance.attributes == {
            "language": "en",
            "sex": "female",
            "age": 64 if older else 26,
            "age_group": "older" if older else "younger",
            "word": word.lower(),
        }
    counts = Counter((u.speaker, u.emotion) for u in corpus.utterances)
    assert set(counts.values()) == {200}
    assert len(counts) == 14


def test_iemocap(tmp_path: Path) -> None:
    paths = listed("iemocap")
    root = plant(tmp_path / "IEMOCAP_full_release", paths)
    labels = ("ang", "hap", "exc", "sad", "neu", "fru", "fea", "sur", "dis", "oth", "xxx")
    truth, dialogues = {}, {}
    for number, path in enumerate(paths):
        session, _, _, dialogue, file = path.split("/")
        turn, label = file.removesuffix(".wav"), labels[number % len(labels)]
        scores = (1 + number % 9 / 2, 1 + number % 7 / 2, 1 + number % 5 / 2)
        truth[turn] = (path, label, scores)
        line = "[{0:.4f} - {1:.4f}]\t{2}\t{3}\t[{4:.4f}, {5:.4f}, {6:.4f}]\nC-E2:\tAnger;\t()\n\n"
        text = line.format(number, number + 1.5, turn, label, *scores)
        dialogues.setdefault(f"{session}/dialog/EmoEvaluation/{dialogue}.txt", []).append(text)
    for path, lines in dialogues.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("% [START - END] TURN EMOTION [V, A, D]\n\n" + "".join(lines))
        (root / path).with_name("._" + Path(path).name).write_bytes(b"\0\5\26\7 not text \xff")
    plant(
        root, [path.replace("EmoEvaluation", "wav").replace(".txt", ".wav") for path in dialogues]
    )

    corpus = corpora.read(tmp_path)
    assert (corpus.name, corpus.warnings) == ("iemocap", ())
    assert {u.id.removeprefix("iemocap/") for u in corpus.utterances} == truth.keys()
    for utterance in corpus.utterances:
        turn = utterance.file.stem
        path, label, scores = truth[turn]
        assert utterance.path == f"IEMOCAP_full_release/{path}"
        assert utterance.emotion == label
        letter = turn[-4]
        assert utterance.speaker == turn[:5] + letter
        assert utterance.attributes == {
            "language": "en",
            "sex": {"F": "female", "M": "male"}[letter],
            "session": path[len("Session")],
            "style": "improvised" if "impro" in turn else "scripted",
            **dict(zip(("valence", "arousal", "dominance"), scores, strict=True)),
        }
    assert len({u.speaker for u in corpus.utterances}) == 10
    natives = [u.emotion for u in corpus.utterances]
    four = parse_labels("iemocap-4").apply(["iemocap"] * len(natives), natives)
    assert Counter(four)["happiness"] == natives.count("hap") + natives.count("exc")


def test_real_emodb() -> None:
    corpus = corpora.read(HERE / "emodb")
    assert (corpus.name, corpus.warnings) == ("emodb", ())
    assert len(corpus.utterances) == corpus.published == 535
    natives = Counter(u.emotion for u in corpus.utterances)
    assert natives == {"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79}
    table = (HERE / "emodb" / "erkennung.txt").read_bytes().replace(b"\xa0", b" ")
    lines = table.replace(b",", b".").decode("ascii", "replace").splitlines()
    rows = [line.split() for line in lines[1:] if line]
    ratings_of = {row[1]: (float(row[2]), float(row[3])) for row in rows}
    sexes = {u.speaker: u.attributes["sex"] for u in corpus.utterances}
    assert Counter(sexes.values()) == {"male": 5, "female": 5}
    for utterance in corpus.utterances:
        name = utterance.file.name
        assert (utterance.speaker, utterance.emotion) == (name[:2], name[5])
        assert utterance.attributes["sentence"] == name[2:5]
        assert utterance.attributes["version"] == name[6]
        ratings = (utterance.attributes["recognised"], utterance.attributes["naturalness"])
        assert ratings == ratings_of[name]


def test_real_ravdess() -> None:
    corpus = corpora.read(HERE / "ravdess")
    assert (corpus.name, corpus.warnings) == ("ravdess", ())
    assert len(corpus.utterances) == 720
    words = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
    for utterance in corpus.utterances:
        codes = utterance.file.stem.split("-")
        assert utterance.speaker == codes[6] == utterance.file.parent.name.removeprefix("Actor_")
        assert utterance.emotion == words[int(codes[2]) - 1]
        assert utterance.attributes["sex"] == ("female", "male")[int(codes[6]) % 2]
        assert utterance.attributes["repetition"] == int(codes[5])
        assert utterance.attributes["statement"] == ("kids", "dogs")[int(codes[4]) - 1]
        assert utterance.attributes["intensity"] == ("normal", "strong")[int(codes[3]) - 1]
    per_class = Counter(u.emotion for u in corpus.utterances)
    assert per_class == {**dict.fromkeys(words, 96), "neutral": 48}


def test_both_real_corpora_together() -> None:
    found = corpora.read_all([HERE / "emodb", HERE / "ravdess", HERE / "emodb" / "wav"])
    assert [(c.name, len(c.utterances)) for c in found] == [("emodb", 535), ("ravdess", 720)]
