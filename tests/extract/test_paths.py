"""Roots on other machines: only roots of utterances change, by whole folder names."""

from pathlib import Path

import pytest

from data.errors import UsageError
from data.utterance import Utterance
from extract.parallel.paths import parse_prefix, placed


def at(root, path="wav/a.wav"):
    return Utterance("emodb/a", "emodb", Path(root), path, "03", "anger", 0.5, 1.0, {"sex": "male"})


def test_only_the_root_moves():
    (moved,) = placed([at("/data/speech/emodb")], [("/data/speech", "/mnt/x")])
    assert moved.file == Path("/mnt/x/emodb/wav/a.wav")
    assert moved == at("/mnt/x/emodb")


@pytest.mark.parametrize(
    ("root", "prefixes", "expected"),
    [
        ("/data/emodb", [("/data/emodb", "/mnt/e")], "/mnt/e"),
        ("/data/emodb/", [("/data/", "/mnt/")], "/mnt/emodb"),
        ("/data/emodb", [("/", "/mnt")], "/mnt/data/emodb"),
        ("/database/emodb", [("/data", "/mnt")], "/database/emodb"),
        ("/data/emodb", [("/other", "/mnt")], "/data/emodb"),
        ("/data/emodb", [], "/data/emodb"),
        ("/data/a/b", [("/data", "/x"), ("/data/a", "/y")], "/y/b"),
        ("/data/../data/a", [("/data/a", "/y")], "/y"),
        ("/a", [("/a", "/b"), ("/b", "/c")], "/b"),
    ],
)
def test_whole_folders_and_the_longest(root, prefixes, expected):
    (moved,) = placed([at(root)], prefixes)
    assert moved.file == Path(expected, "wav/a.wav")


def test_relative_roots_start_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (moved,) = placed([at("corpora/emodb")], [(str(tmp_path / "corpora"), "/mnt")])
    assert moved.root == Path("/mnt/emodb")


def test_a_prefix_inside_of_a_corpus_is_refused():
    with pytest.raises(UsageError, match="inside of the corpus /data"):
        placed([at("/data", "emodb/wav/a.wav")], [("/data/emodb", "/mnt/emodb")])


@pytest.mark.parametrize("text", ["", "/data", "=/mnt", "/data=", "="])
def test_an_invalid_prefix_is_reported(text):
    with pytest.raises(UsageError, match="expected OLD=NEW"):
        parse_prefix(text)
