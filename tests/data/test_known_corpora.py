"""Names of all corpora: each is recognised as itself alone, and says what it should."""

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_names import EXAMPLES, examples, files
from trees import plant

from data import corpora
from data.corpora.tree import Tree
from data.emotions import to_shared

OWN = ("audformat", "huggingface", "lhotse", "table", "folder")  # hold any corpus
LAYOUTS = Path(os.environ.get("CORPORA") or ".") / "layouts"


def recognised(tree: Tree) -> list[str]:
    return [name for name in corpora.names() if corpora.recognises(name, tree)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str, tmp_path: Path) -> None:
    root = plant(tmp_path, files(name))
    assert [n for n in recognised(corpora.walk(root)) if n not in OWN] == [name]
    corpus = corpora.read(root)
    assert (corpus.name, corpus.warnings) == (name, ())
    found = {
        (u.path, u.speaker, to_shared(name, u.emotion), u.attributes.get("sex"))
        for u in corpus.utterances
    }
    assert found == set(examples(name))
    assert len(corpus.utterances) == len(found)


@pytest.mark.parametrize("name", [name for name in corpora.names() if name not in OWN])
def test_languages_are_two_letters_and_reach_each_utterance(name: str, tmp_path: Path) -> None:
    languages = corpora.module(name).LANGUAGES
    assert all(len(code) == 2 and code.islower() for code in languages)
    if name in EXAMPLES:
        found = {
            u.attributes.get("language")
            for u in corpora.read(plant(tmp_path, files(name))).utterances
        }
        assert found == (set(languages) or {None})


def test_the_documented_table_is_that_of_the_modules(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| [`")
    ]
    for (corpus, language, size, _, emotions, path, columns, terms, _), name in zip(
        rows, [name for name in corpora.names() if name not in OWN], strict=True
    ):
        module = corpora.module(name)
        assert corpus == f"[`{name}`]({module.ORIGIN})"
        assert language == (", ".join(module.LANGUAGES) or "several")
        assert size == (f"{module.SIZE:,}" if module.SIZE else "–")
        shared = {label for label in module.LABELS.values() if label}
        assert emotions == (", ".join(sorted(shared)) or "none")
        assert terms == getattr(module, "TERMS", "see its page")
        if name in EXAMPLES:
            found = corpora.read(plant(tmp_path / name, files(name))).utterances
            attributes = {key for u in found for key in u.attributes} - {"language"}
            assert set(columns.split(", ")) == attributes
        if not hasattr(module, "COLUMNS"):
            assert corpora.recognises(name, Tree(tmp_path, (path.strip("`"),)))


@pytest.mark.parametrize(
    "paths",
    [
        ["angry/a03.wav", "happy/h03.wav"],
        ["angry/a03 (3).wav", "happy/h03 (1).wav"],  # copies of one file
        ["anger/h03 (3).wav", "fear/a03 (1).wav"],
        ["Angry/0001.wav", "Sad/0002.wav"],
        ["Angry/1234_ab_rec.wav", "Happy/1235_ab_rec.wav"],
        ["anna/neutral/239.wav", "ben/angry/201.wav"],
        ["f/s1.wav", "m/s2.wav"],
        ["1/001.wav", "2/002.wav"],
        ["train/angry_1.wav", "test/angry_2.wav"],
    ],
)
def test_ordinary_folders_are_folders(paths: list[str], tmp_path: Path) -> None:
    assert corpora.recognise(corpora.walk(plant(tmp_path, paths))) == "folder"


def test_ravdess_and_bangla_ser_share_names(tmp_path: Path) -> None:
    shared = [f"03-01-0{e}-01-0{s}-01-0{a}" for e in (2, 3, 4) for s in (1, 2) for a in range(1, 8)]
    third = [f"03-01-01-01-03-0{r}-0{a}" for r in (1, 2, 3) for a in (1, 2)]
    whole = [f"03-0{c}-0{e}-01-02-02-24" for c in (1, 2) for e in (6, 7, 8)]
    for names, expected in ((shared + third, "bangla-ser"), (shared + whole, "ravdess")):
        tree = Tree(tmp_path, tuple(f"{name}.wav" for name in names))
        assert recognised(tree) == [expected, "folder"]


def test_oreau_and_emodb_share_names(tmp_path: Path) -> None:
    names = ["10a02Na", "08a04Ta", "12a01Na"]
    for paths, expected in (
        ([f"OreauFR_02/m/sess{name[5].lower()}/{name}.wav" for name in names], "oreau"),
        ([f"wav/{name}.wav" for name in names], "emodb"),
    ):
        assert recognised(Tree(tmp_path, tuple(paths))) == [expected, "folder"]


def test_two_rates_of_one_recording_are_one_utterance(tmp_path: Path) -> None:
    paths = [f"CaFE_{rate}/Joie/Fort/02-J-2-1.aiff.wav" for rate in ("48k", "192k_1")]
    paths = [path.replace(".aiff", "") for path in paths]
    corpus = corpora.read(plant(tmp_path, paths))
    assert [u.id for u in corpus.utterances] == ["cafe/02-J-2-1"]
    assert len(corpus.warnings) == 1


def test_sentences_that_recur_and_sentences_of_one_emotion(tmp_path: Path) -> None:
    def sentences(name: str) -> dict[str, str]:
        corpus = corpora.read(plant(tmp_path / name, files(name)))
        return {u.id.rpartition("/")[2]: u.attributes.get("sentence") for u in corpus.utterances}

    assert sentences("esd") == {
        "0001_000351": "zh001",
        "0011_000051": "en051",
        "0020_001401": "en001",
    }
    assert sentences("savee")["DC_a01"] == "a01"
    assert sentences("oreau")["29a13Ja"] == "Ja13"
    assert sentences("enterface") == {
        "s19_an_4": "an4",
        "s11_an_4": "an4",
        "s3_sa_2": "sa2",
        "s6_di": None,
        "s16_su_3": "su3",
    }


def test_tables_that_do_not_fit_their_recordings(tmp_path: Path) -> None:
    root = plant(tmp_path, files("msp-podcast"))
    (root / "Audio/MSP-PODCAST_0001_0008.wav").rename(root / "Audio/MSP-PODCAST_0009_0001.wav")
    corpus = corpora.read(root)
    assert len(corpus.utterances) == 2
    assert corpus.warnings == (
        "recordings without labels, left out: 1 (first: Audio/MSP-PODCAST_0009_0001.wav)",
        "labels without a recording, left out: 1 (first: MSP-PODCAST_0001_0008)",
    )
    table = root / "Labels/labels_concensus.csv"
    table.write_text("FileName,EmoClass\nx.wav,A\n")
    with pytest.raises(corpora.CorpusError, match=r"no column EmoAct, .*table of MSP-Podcast"):
        corpora.read(root)
    table.write_text("x" * 200_000)
    with pytest.raises(corpora.CorpusError, match="cannot be read as a table: field larger"):
        corpora.read(root)
    table.unlink()
    with pytest.raises(corpora.CorpusError, match=r"expected Labels/labels_consensus\.csv"):
        corpora.read(root)


# The published names. What each says is split here, not by the corpus modules' own expressions.

Stem = Callable[[str], str | None]
LETTER_SEX = {"f": "female", "F": "female", "W": "female", "m": "male", "M": "male"}
EVEN_MALE = ("male", "female")


def part(number: int, of: str = "_") -> Stem:
    return lambda path: Path(path).stem.split(of)[number]


def folder(number: int) -> Stem:
    return lambda path: path.split("/")[number]


def unknown(_: str) -> None:
    return None


SPEAKERS: dict[str, Stem] = {
    "aesdd": lambda path: str(int(path.split("(")[1].split(")")[0])),
    "ased": part(4, "-"),
    "asvp-esd": part(5, "-"),
    "cafe": part(0, "-"),
    "casia": folder(0),
    "emov-db": lambda path: path.split("_")[0],
    "emovo": part(1, "-"),
    "emozionalmente": lambda path: f"u{int(Path(path).stem) % 9}",
    "enterface": lambda path: path.split("/")[0].removeprefix("subject "),
    "esd": folder(0),
    "jl-corpus": part(0),
    "mead": folder(0),
    "meld": lambda path: f"Friend {len(path) % 3}",
    "mesd": unknown,
    "msp-podcast": lambda path: path[-8:-4] if path[-5] > "4" else None,
    "oreau": lambda path: Path(path).stem[:2],
    "polish": lambda path: path[:2],
    "resd": unknown,
    "savee": part(0),
    "shemo": lambda path: Path(path).stem[:3],
    "subesco": lambda path: path[0] + path[2:4],
    "turev-db": part(0),
    "urdu": part(0),
}
SEXES: dict[str, Stem] = {
    "ased": lambda path: {"01": "female", "02": "male"}[path.split("-")[3]],
    "asvp-esd": lambda path: EVEN_MALE[int(Path(path).stem.split("-")[5]) % 2],
    "cafe": lambda path: EVEN_MALE[1 - int(Path(path).stem[:2]) % 2],
    "emov-db": lambda path: "female" if path[0] in "bj" and path[1] == "e" else "male",
    "emovo": lambda path: LETTER_SEX[path[0]],
    "emozionalmente": lambda path: ("female", "male", None)[int(Path(path).stem) % 9 % 3],
    "jl-corpus": lambda path: "female" if "/female" in path else "male",
    "mead": lambda path: LETTER_SEX[path[0]],
    "mesd": lambda path: LETTER_SEX.get(Path(path).stem.split("_")[1]),
    "msp-podcast": lambda path: "female" if path[-5] > "7" else None,
    "oreau": lambda path: LETTER_SEX[path.split("/")[1]],
    "polish": lambda path: "male",
    "savee": lambda path: "male",
    "shemo": lambda path: path.split("/")[0],
    "subesco": lambda path: LETTER_SEX[path[0]],
    "urdu": lambda path: LETTER_SEX[Path(path).stem[1]],
}
ASVP = ["boredom", "neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised",
        "excited", "pleasure", "pain", "disappointed", "breath"]  # fmt: skip
NATIVE: dict[str, dict[str, str]] = {  # emotion of the lists → label, where they differ
    "ased": {"S": "s"},
    "asvp-esd": {f"{number:02}": label for number, label in enumerate(ASVP, start=1)},
    "cafe": {letter: letter.upper() for letter in "cdjnpst"},
    "emov-db": {"Amused": "amused", "Angry": "anger", "Disgust": "disgust", "Neutral": "neutral",
                "Sleepy": "sleepiness"},
    "shemo": {"angry": "A", "fearful": "F", "happy": "H", "neutral": "N", "sad": "S",
              "surprised": "W"},
    "subesco": {word.lower(): word for word in
                ("ANGRY", "DISGUST", "FEAR", "HAPPY", "NEUTRAL", "SAD", "SURPRISE")},
}  # fmt: skip


def tables(name: str, rows: list[dict[str, str]]) -> dict[str, str]:
    """Tables that describe the recordings of a list, by `SPEAKERS` and `SEXES`."""
    lines: dict[str, list[str]] = {}
    if name == "emozionalmente":
        lines["metadata/samples.csv"] = ["file_name,actor,emotion_expressed"]
        lines["metadata/users.csv"] = ["username,gender,age"]
        lines["metadata/users.csv"] += [f"u{n},{'fmo'[n % 3]},30" for n in range(9)]
    if name == "msp-podcast":
        header = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
        lines["Labels/labels_consensus.csv"] = [header]
    for row in rows:
        path, emotion = row["path"], row["emotion"]
        file, speaker, sex = Path(path).name, SPEAKERS[name](path), SEXES.get(name, unknown)(path)
        if name == "emozionalmente":
            lines["metadata/samples.csv"].append(f"{file},{speaker},{emotion}")
        elif name == "msp-podcast":
            end = f"{speaker or 'Unknown'},{(sex or 'Unknown').capitalize()},Train"
            lines["Labels/labels_consensus.csv"].append(f"{file},{emotion},4,4.5,3,{end}")
        elif name == "meld":
            split = next(word for word in ("train", "dev", "test") if word in path)
            header = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID"
            dialogue, utterance = Path(path).stem.removeprefix("dia").split("_utt")
            line = f"Hi.,{speaker},{emotion},neutral,{dialogue},{utterance}"
            lines.setdefault(f"{split}_sent_emo.csv", [header]).append(line)
    return {file: "\n".join(text) + "\n" for file, text in lines.items()}


@pytest.mark.skipif("CORPORA" not in os.environ, reason="CORPORA names no folder of corpora")
@pytest.mark.parametrize("name", SPEAKERS)
def test_published_names(name: str, tmp_path: Path) -> None:
    with (LAYOUTS / f"{name}.files.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:  # as if the sound had been extracted from the films
        row["path"] = row["path"].rpartition(".")[0] + ".wav"
    plant(tmp_path, written := tables(name, rows))
    tree = Tree(tmp_path, tuple(sorted(row["path"] for row in rows)), tuple(written))

    assert [n for n in recognised(tree) if n not in OWN] == [name]
    utterances, warnings = corpora.read_tree(name, tree)
    assert warnings == []
    assert sorted(u.path for u in utterances) == list(tree.recordings)
    assert len({u.id for u in utterances}) == len(rows)
    emotions = {row["path"]: row["emotion"] for row in rows}
    for utterance in utterances:
        path = utterance.path
        listed = emotions[path]
        assert utterance.speaker == SPEAKERS[name](path)
        assert utterance.emotion == NATIVE.get(name, {}).get(listed, listed)
        assert utterance.attributes.get("sex") == SEXES.get(name, unknown)(path)
    assert {u.emotion for u in utterances} <= corpora.labels(name).keys()
    sexes = {(u.speaker, u.attributes["sex"]) for u in utterances if "sex" in u.attributes}
    several = {who for who, n in Counter(speaker for speaker, _ in sexes).items() if n > 1}
    assert several <= {None, "25"} if name in ("ased", "mesd", "msp-podcast") else not several
