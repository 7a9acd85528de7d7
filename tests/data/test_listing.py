"""Lists of utterances are read as they were written, on any machine."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import corpora, listing
from data.commands.scan import main
from data.errors import CorpusError
from data.utterance import Utterance

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
seconds = st.none() | st.floats(0, 1e6)
utterances = st.builds(
    Utterance,
    id=words,
    corpus=words,
    root=st.just(Path("/data/corpus")),
    path=words.filter(lambda w: not w.startswith(("/", "."))),
    speaker=st.none() | words,
    emotion=st.none() | words,
    start=seconds,
    end=seconds,
    attributes=st.dictionaries(words, words | st.floats(allow_nan=False), max_size=3),
)


@given(st.lists(st.tuples(utterances, seconds), max_size=5))
def test_a_list_comes_back_as_it_was(tmp_path_factory, listed):
    path = tmp_path_factory.mktemp("list") / "all.jsonl"
    assert listing.write(path, listed) == len(listed)
    assert list(listing.read(path)) == listed


def test_scan_writes_what_its_corpora_hold(folder_corpus, tmp_path, capsys):
    one, other = folder_corpus(6, name="one"), folder_corpus(4, name="other")
    assert main([str(one), str(other), "-o", str(tmp_path / "all.jsonl"), "-q"]) == 0
    read = corpora.read_all([tmp_path / "all.jsonl"])
    assert [corpus.name for corpus in read] == ["one", "other"]
    expected = corpora.read_all([one, other])
    assert [c.utterances for c in read] == [c.utterances for c in expected]
    assert read[0].seconds[read[0].utterances[1].id] == 0.3
    capsys.readouterr()
    assert main([str(tmp_path / "all.jsonl"), "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11


def test_a_list_may_name_missing_files(folder_corpus, tmp_path):
    corpus = folder_corpus(4)
    main([str(corpus), "-o", str(tmp_path / "all.jsonl"), "-q"])
    for file in corpus.rglob("*.wav"):
        file.unlink()
    main([str(folder_corpus(2, name="more")), "-o", str(tmp_path / "more.jsonl"), "-q"])
    read = corpora.read_all([tmp_path / "all.jsonl", tmp_path / "more.jsonl"])
    assert [len(c.utterances) for c in read] == [4, 2]
    assert sum(read[0].seconds.values()) == pytest.approx(1.2)


GOOD = {"id": "c/a", "corpus": "c", "root": "/c", "path": "a.wav"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("words", "line 2: expected an utterance as 'python -m data scan CORPUS -o' writes it"),
        ("[1]", "line 2: expected an utterance"),
        (json.dumps({**GOOD, "id": ""}), "id has an invalid value"),
        (json.dumps({**GOOD, "id": 3}), "id has an invalid value"),
        (json.dumps({**GOOD, "start": "1"}), "start has an invalid value"),
        (json.dumps({**GOOD, "attributes": {"a": [1]}}), "attributes has an invalid value"),
        (json.dumps({"id": "c/a"}), "'corpus'"),
        (json.dumps(GOOD), "c/a occurs twice"),
        (json.dumps({**GOOD, "id": "c/b", "path": "../b.wav"}), "outside of its corpus"),
        (json.dumps({**GOOD, "id": "c/b", "path": "/b.wav"}), "outside of its corpus"),
    ],
)
def test_a_malformed_list_is_reported(tmp_path, line, reason):
    (tmp_path / "all.jsonl").write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(CorpusError) as caught:
        corpora.read_all([tmp_path / "all.jsonl"])
    assert reason in str(caught.value)


def test_an_empty_or_absent_list_is_reported(tmp_path):
    with pytest.raises(CorpusError, match="No such file"):
        corpora.read_all([tmp_path / "no.jsonl"])
    (tmp_path / "all.jsonl").touch()
    with pytest.raises(CorpusError, match="the list is empty"):
        corpora.read_all([tmp_path / "all.jsonl"])
