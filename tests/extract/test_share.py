"""Parts of a list together make the cache of one run."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from standin import StandIn
from storm import without_provenance

from data import Cache, console, corpora, scan
from data.cache.file import parts_folder
from data.cache.refusals import errors_file
from data.cache.shards import Shards
from data.commands.pack import main as pack
from data.commands.scan import main as scan_command
from data.errors import CacheError, RecipeMismatch
from extract.__main__ import main
from extract.parallel.paths import placed
from extract.parallel.shards import Part, Share
from extract.pipeline import extract


@pytest.fixture
def corpus(folder_corpus):
    return folder_corpus(12)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "c.h5"


@pytest.fixture
def alone(corpus, tmp_path):
    """The bytes that one run makes, provenance aside."""
    extract(corpora.read(corpus).utterances, StandIn(), tmp_path / "alone.h5")
    return without_provenance(tmp_path / "alone.h5")


def do(corpus, cache, part, engine=None, prefixes=()):
    """Do one part; return how many were embedded, were there, are missing, and if it packed."""
    found = corpora.read_all([corpus])
    listed = placed((u for c in found for u in c.utterances), prefixes)
    share = Share.of(listed, scan.seconds(found, quiet=True), Part.parse(part))
    summary = extract(share, engine or StandIn(), cache)
    return summary.embedded, summary.cached, summary.missing, summary.packed


def test_the_last_part_packs(corpus, cache, alone):
    assert do(corpus, cache, "2/3") == (4, 0, 8, False)
    assert not cache.exists()
    assert do(corpus, cache, "2/3") == (0, 4, 8, False)
    assert do(corpus, cache, "1/3") == (4, 0, 4, False)
    assert do(corpus, cache, "3/3") == (4, 0, 0, True)
    assert without_provenance(cache) == alone
    assert do(corpus, cache, "1/3") == (0, 4, 0, True)
    assert not parts_folder(cache).exists()


def test_the_last_process_packs(corpus, cache, alone):
    other = Shards(cache)
    other.claim(StandIn().recipe)
    do(corpus, cache, "1/2")
    assert do(corpus, cache, "2/2") == (6, 0, 0, False)
    assert other.pack_if_last({}, dict) == 12
    other.clean()
    assert without_provenance(cache) == alone


def test_another_number_of_parts_resumes(corpus, cache, alone):
    assert do(corpus, cache, "1/3")[0] == 4
    assert sum(do(corpus, cache, f"{k}/4")[0] for k in range(1, 5)) == 8
    assert without_provenance(cache) == alone


def test_a_run_without_parts_finishes_them(corpus, cache, alone):
    do(corpus, cache, "1/3")
    summary = extract(corpora.read(corpus).utterances, StandIn(), cache)
    assert (summary.embedded, summary.cached) == (8, 4)
    assert without_provenance(cache) == alone
    assert not parts_folder(cache).exists()


def test_data_pack_packs_what_is_there(corpus, cache, capsys):
    do(corpus, cache, "1/3")
    assert pack([str(cache)]) == 0
    assert capsys.readouterr().out == f"{cache}: 4 utterances\n"
    assert not parts_folder(cache).exists()
    assert [do(corpus, cache, f"{k}/3")[3] for k in (2, 3)] == [False, True]
    assert len(Cache(cache)) == 12


def test_more_parts_than_utterances(folder_corpus, cache):
    corpus = folder_corpus(2)
    assert [do(corpus, cache, f"{k}/4")[0] for k in range(1, 5)] == [1, 1, 0, 0]
    assert len(Cache(cache)) == 2


def test_other_weights_are_refused_before_anything_is_computed(corpus, cache, alone):
    do(corpus, cache, "1/2")
    engine = StandIn(weights="theirs")
    with pytest.raises(RecipeMismatch, match=r"weights: none \(cache\) ≠ theirs \(asked\)"):
        do(corpus, cache, "2/2", engine)
    assert engine.embedded == 0
    do(corpus, cache, "2/2")
    assert without_provenance(cache) == alone


def test_a_machine_that_does_not_see_the_recordings(corpus, cache, alone):
    elsewhere = [(str(corpus), "/nowhere")]
    with pytest.raises(CacheError) as caught:
        do(corpus, cache, "1/2", prefixes=elsewhere)
    assert "none of the 6 utterances of part 1/2 could be embedded" in str(caught.value)
    assert "No such file or directory" in str(caught.value)
    assert "--audio-prefix" in str(caught.value)
    assert do(corpus, cache, "2/2") == (6, 0, 6, False)
    assert do(corpus, cache, "1/2") == (6, 0, 0, True)
    assert without_provenance(cache) == alone


def test_refusals_of_all_parts_are_listed_in_the_end(corpus, cache):
    bad = sorted(corpus.rglob("*.wav"))[::5]
    for file in bad:
        file.write_bytes(b"words" * 50)
    assert [do(corpus, cache, f"{k}/3")[3] for k in (1, 2, 3)] == [False, False, True]
    rows = [json.loads(line) for line in errors_file(cache).read_text().splitlines()]
    assert [row["file"] for row in rows] == [str(file) for file in bad]
    assert all("not audio" in row["reason"] for row in rows)
    assert len(Cache(cache)) == 12 - len(bad)
    shutil.copyfile(sorted(corpus.rglob("*.wav"))[1], bad[0])  # mended
    for k in (1, 2, 3):
        do(corpus, cache, f"{k}/3")
    assert len(errors_file(cache).read_text().splitlines()) == len(bad) - 1
    assert len(Cache(cache)) == 12 - len(bad) + 1


def test_other_audio_under_one_id_is_reported_and_the_newest_counts(
    corpus, cache, tmp_path, waveform, caplog
):
    shutil.copytree(corpus, other := tmp_path / "other" / "corpus")
    changed = min(other.rglob("*.wav"))
    soundfile.write(changed, waveform(99, soundfile.info(changed).duration), 16_000)
    do(corpus, cache, "1/2")
    do(other, cache, "1/2")
    assert "different audio" not in caplog.text
    do(other, cache, "2/2")
    assert "1 utterance with different audio in different shards" in caplog.text
    assert changed.name in caplog.text
    extract(corpora.read(other).utterances, StandIn(), tmp_path / "other.h5")
    assert without_provenance(cache) == without_provenance(tmp_path / "other.h5")


def test_parts_of_different_lists_are_reported(corpus, cache, caplog):
    do(corpus, cache, "1/2")
    max(corpus.rglob("*.wav")).unlink()
    do(corpus, cache, "2/2")
    assert "part 1/2 was cut from another list of utterances (12 there, 11 here)" in caplog.text
    assert "python -m data scan CORPUS -o all.jsonl" in caplog.text


@pytest.fixture
def command(capsys):
    """Runs ``python -m extract`` in this process: its status, its output and its errors."""

    def run(*arguments):
        status = console.run(lambda: main(list(map(str, arguments))))
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


@pytest.mark.parametrize("text", ["0/16", "17/16", "a/b", "3"])
def test_a_malformed_shard_is_refused(command, corpus, text):
    done = command(corpus, "--shard", text)
    assert done.returncode == 2
    assert done.stderr == f"error: --shard {text}: expected K/N with 1 ≤ K ≤ N, such as 3/16\n"


def test_the_command_refuses_to_prune_a_part(command, corpus):
    done = command(corpus, "--shard", "1/2", "--prune")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "prune in a run without --shard" in done.stderr


def test_the_command_with_a_real_encoder(command, folder_corpus, tmp_path):
    """Two parts from a list, with other roots; the numbers are those of one run, to rounding."""
    corpus = folder_corpus(8)
    options = ("--model", "untrained:tiny", "--engine", "torch", "--precision", "float32")
    scan_command([str(corpus), "-o", str(tmp_path / "all.jsonl"), "-q"])
    alone = command(corpus, *options, "-o", tmp_path / "alone.h5")
    assert alone.returncode == 0, alone.stderr
    corpus.rename(tmp_path / "moved")
    options += ("-o", tmp_path / "c.h5", "--audio-prefix", f"{corpus}={tmp_path / 'moved'}")
    dry = command(tmp_path / "all.jsonl", *options, "--shard", "1/2", "--dry-run")
    assert dry.stdout == f"4 of 4 utterances would be embedded into {tmp_path / 'c.h5'}\n"
    one = command(tmp_path / "all.jsonl", *options, "--shard", "1/2")
    assert one.returncode == 0, one.stderr
    assert "part 1/2: 4 utterances of 8" in one.stderr
    assert "part 1/2 is done" in one.stdout
    assert "4 utterances of other parts are still missing; the last task packs" in one.stdout
    two = command(tmp_path / "all.jsonl", *options, "--shard", "2/2", "--json")
    result = json.loads(two.stdout)
    assert (result["embedded"], result["missing"], result["packed"]) == (4, 0, True)
    with Cache(tmp_path / "alone.h5") as expected, Cache(tmp_path / "c.h5") as found:
        assert found.utterances.equals(expected.utterances)
        for pooling in expected.poolings:
            np.testing.assert_allclose(
                found.embeddings(pooling), expected.embeddings(pooling), rtol=1e-4, atol=1e-5
            )
