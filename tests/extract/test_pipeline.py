"""Extraction into a cache: resume, replace, relabel, refuse, prune."""

import json
import resource
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from standin import StandIn

from data import Cache
from data.cache.file import CacheFile
from data.cache.shards import Shards
from data.errors import CacheError, RecipeMismatch
from extract import shard_writer
from extract.degradations import conditions
from extract.pipeline import Settings, extract


@pytest.fixture
def corpus(folder_corpus):
    return folder_corpus(12)


def test_every_utterance_is_embedded_once(corpus, utterances, tmp_path):
    engine = StandIn()
    summary = extract(utterances(corpus), engine, tmp_path / "c.h5")
    assert (summary.embedded, summary.cached, summary.total) == (12, 0, 12)
    again = extract(utterances(corpus), engine, tmp_path / "c.h5")
    assert (again.embedded, again.cached, again.total) == (0, 12, 12)
    assert engine.embedded == 12
    with Cache(tmp_path / "c.h5") as cache:
        assert cache.utterances["id"].tolist() == [u.id for u in utterances(corpus)]
        for utterance in utterances(corpus):
            samples, _ = soundfile.read(utterance.file, dtype="float32")
            expected = [piece.mean() for piece in np.array_split(samples, 8)]
            np.testing.assert_allclose(cache[utterance.id][0], expected, atol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.h5", "corpus"]


def test_nothing_is_written_when_nothing_changed(corpus, utterances, tmp_path):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    before = (tmp_path / "c.h5").stat()
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    assert (tmp_path / "c.h5").stat().st_mtime_ns == before.st_mtime_ns


def test_a_changed_recording_is_embedded_again_and_only_that(
    corpus, utterances, tmp_path, waveform
):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    changed = utterances(corpus)[3]
    soundfile.write(changed.file, waveform(99, 0.4), 16_000)
    engine = StandIn()
    summary = extract(utterances(corpus), engine, tmp_path / "c.h5")
    assert (engine.embedded, summary.cached, summary.total) == (1, 11, 12)
    samples, _ = soundfile.read(changed.file, dtype="float32")
    expected = [piece.mean() for piece in np.array_split(samples, 8)]
    np.testing.assert_allclose(Cache(tmp_path / "c.h5")[changed.id][0], expected, atol=1e-6)


def test_removed_recordings_stay_until_pruned(corpus, utterances, tmp_path):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    for utterance in utterances(corpus)[:4]:
        utterance.file.unlink()
    assert extract(utterances(corpus), StandIn(), tmp_path / "c.h5").total == 12
    summary = extract(utterances(corpus), StandIn(), tmp_path / "c.h5", Settings(prune=True))
    assert (summary.pruned, summary.total) == (4, 8)


def test_pruning_leaves_other_corpora_alone(folder_corpus, utterances, tmp_path):
    one, other = folder_corpus(6, name="one"), folder_corpus(4, name="other")
    extract(utterances(one), StandIn(), tmp_path / "c.h5")
    summary = extract(utterances(other), StandIn(), tmp_path / "c.h5", Settings(prune=True))
    assert (summary.pruned, summary.total) == (0, 10)


def test_new_labels_reach_the_cache_without_embedding(corpus, utterances, tmp_path):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    relabelled = [
        replace(u, speaker="s", emotion="grief", attributes={"note": u.id})
        for u in utterances(corpus)
    ]
    engine = StandIn()
    extract(relabelled, engine, tmp_path / "c.h5")
    assert engine.embedded == 0
    table = Cache(tmp_path / "c.h5").utterances
    assert set(table["emotion"]) == {"grief"}
    assert table["note"].tolist() == table["id"].tolist()


def test_bad_files_are_listed_and_stop_nothing(corpus, utterances, tmp_path):
    files = sorted(corpus.rglob("*.wav"))
    files[0].write_bytes(b"")
    files[1].write_bytes(b"words" * 50)
    files[2].unlink()
    files[2].symlink_to("nowhere.wav")
    soundfile.write(files[3], np.zeros(8_000), 16_000)
    soundfile.write(files[4], np.full(100, 0.1), 16_000)
    listed = utterances(corpus)
    summary = extract(listed, StandIn(), tmp_path / "c.h5")
    lines = (tmp_path / "c.h5.errors.jsonl").read_text().splitlines()
    reasons = {json.loads(line)["id"]: json.loads(line)["reason"] for line in lines}
    assert len(reasons) == len(summary.refused)
    assert summary.total == 7
    by_name = {name.rpartition("/")[2]: reason for name, reason in reasons.items()}
    assert "empty file" in by_name[files[0].name]
    assert "not audio" in by_name[files[1].name]
    assert "silent" in by_name[files[3].name]
    assert "too short" in by_name[files[4].name]


def test_a_mended_file_leaves_the_list(corpus, utterances, tmp_path, waveform):
    bad = min(corpus.rglob("*.wav"))
    bad.write_bytes(b"")
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    assert (tmp_path / "c.h5.errors.jsonl").exists()
    soundfile.write(bad, waveform(5, 0.4), 16_000)
    summary = extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    assert (summary.embedded, summary.cached) == (1, 11)
    assert not (tmp_path / "c.h5.errors.jsonl").exists()


def test_nothing_but_bad_files_is_an_error(folder_corpus, utterances, tmp_path):
    corpus = folder_corpus(2)
    for file in corpus.rglob("*.wav"):
        file.write_bytes(b"words" * 50)
    with pytest.raises(CacheError, match="none of 2 utterances"):
        extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    assert not (tmp_path / "c.h5.parts").exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"model": "other"}, "model: stand-in (cache) ≠ other (asked)"),
        ({"pooling": ["mean", "std"]}, "pooling: mean (cache) ≠ mean,std (asked)"),
        ({"precision": "bfloat16"}, "precision: float32 (cache) ≠ bfloat16 (asked)"),
        ({"engine": "x"}, "engine: stand-in (cache) ≠ x (asked)"),
        ({"weights": "ab"}, "weights: none (cache) ≠ ab (asked)"),
        ({"layers": 1}, "layers: 0-2 (cache) ≠ 0 (asked)"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_recipe_is_refused_with_the_difference(
    corpus, utterances, tmp_path, change, line, finished
):
    path = tmp_path / "c.h5"
    if finished:
        extract(utterances(corpus), StandIn(), path)
    else:
        with pytest.raises(KeyboardInterrupt):
            extract(utterances(corpus), Interrupted(after=1), path, Settings(batch_seconds=1))
    before = sorted(p.name for p in tmp_path.rglob("*.h5"))
    with pytest.raises(RecipeMismatch) as caught:
        extract(utterances(corpus), StandIn(**change), path)
    assert line in str(caught.value)
    assert sorted(p.name for p in tmp_path.rglob("*.h5")) == before
    assert extract(utterances(corpus), StandIn(), path).total == 12


class Interrupted(StandIn):
    """Is interrupted as by Ctrl-C, after some batches."""

    def __init__(self, after: int, **changes: object) -> None:
        super().__init__(**changes)
        self.after = after

    def embed(self, waveforms):
        if not self.after:
            raise KeyboardInterrupt
        self.after -= 1
        return super().embed(waveforms)


def test_an_interrupted_run_keeps_what_is_finished(corpus, utterances, tmp_path):
    first = Interrupted(after=2)
    with pytest.raises(KeyboardInterrupt):
        extract(utterances(corpus), first, tmp_path / "c.h5", Settings(batch_seconds=1.0))
    assert 0 < first.embedded < 12
    assert not (tmp_path / "c.h5").exists()
    with Cache(tmp_path / "c.h5.parts") as unfinished:
        assert len(unfinished) == first.embedded
    second = StandIn()
    assert extract(utterances(corpus), second, tmp_path / "c.h5").total == 12
    assert first.embedded + second.embedded == 12


def test_an_abandoned_claim_does_not_block(corpus, utterances, tmp_path):
    """A run that was stopped before it finished anything leaves no recipe to be stuck with."""
    with pytest.raises(KeyboardInterrupt):
        extract(utterances(corpus), Interrupted(after=0), tmp_path / "c.h5")
    other = StandIn(model="other")
    assert extract(utterances(corpus), other, tmp_path / "c.h5").total == 12


def test_a_claim_in_use_blocks_another_recipe(tmp_path):
    holder, other = Shards(tmp_path / "c.h5"), Shards(tmp_path / "c.h5")
    holder.claim(StandIn().recipe)
    with pytest.raises(RecipeMismatch):
        other.claim(StandIn(model="other").recipe)
    second = Shards(tmp_path / "c.h5")
    second.claim(StandIn().recipe)
    holder.clean()
    with pytest.raises(RecipeMismatch):
        other.claim(StandIn(model="other").recipe)
    second.clean()
    other.claim(StandIn(model="other").recipe)
    other.clean()
    assert not (tmp_path / "c.h5.parts").exists()


def test_two_at_once_make_one_cache(corpus, utterances, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_UTTERANCES", 2)
    listed = utterances(corpus)
    runs = [
        threading.Thread(target=extract, args=(listed, StandIn(slow=0.02), tmp_path / "c.h5"))
        for _ in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    with Cache(tmp_path / "c.h5") as cache:
        assert len(cache) == 12
    assert not (tmp_path / "c.h5.parts").exists()


def test_a_damaged_shard_is_set_aside_and_done_again(corpus, utterances, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_UTTERANCES", 3)
    with pytest.raises(KeyboardInterrupt):
        extract(utterances(corpus), Interrupted(after=4), tmp_path / "c.h5",
                Settings(batch_seconds=0.5))  # fmt: skip
    shards = sorted((tmp_path / "c.h5.parts").glob("*.h5"))
    lost = len(CacheFile(shards[0]))
    content = bytearray(shards[0].read_bytes())
    content[CacheFile(shards[0]).stored("layers/mean").offset + 5] ^= 1
    shards[0].write_bytes(content)
    kept = sum(len(CacheFile(shard)) for shard in shards[1:])
    engine = StandIn()
    assert extract(utterances(corpus), engine, tmp_path / "c.h5").total == 12
    assert engine.embedded == 12 - kept
    assert lost > 0
    (aside,) = (tmp_path / "c.h5.parts").glob("*.damaged")
    assert aside.read_bytes() == content


def test_a_damaged_cache_is_not_carried_on(corpus, folder_corpus, utterances, tmp_path):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    content = bytearray((tmp_path / "c.h5").read_bytes())
    content[CacheFile(tmp_path / "c.h5").stored("layers/mean").offset + 5] ^= 1
    (tmp_path / "c.h5").write_bytes(content)
    with pytest.raises(CacheError, match="damaged: layers/mean does not match its checksum"):
        extract(utterances(folder_corpus(3, name="more")), StandIn(), tmp_path / "c.h5")
    assert (tmp_path / "c.h5").read_bytes() == content
    (tmp_path / "c.h5").unlink()
    summary = extract(utterances(tmp_path / "more"), StandIn(), tmp_path / "c.h5")
    assert (summary.embedded, summary.cached) == (0, 3)


class Crowded(StandIn):
    """Has memory for two utterances, and none for the longest."""

    def embed(self, waveforms):
        if len(waveforms) > 2 or len(waveforms[0]) > 7_000:
            raise MemoryError
        return super().embed(waveforms)


def test_a_batch_that_exhausts_memory_is_halved(corpus, utterances, tmp_path):
    summary = extract(utterances(corpus), Crowded(), tmp_path / "c.h5")
    assert summary.embedded == 8
    assert {refusal.reason.partition(";")[0] for refusal in summary.refused} == {
        "0 s do not fit in memory"
    }


class Mad(StandIn):
    def embed(self, waveforms):
        pooled = super().embed(waveforms)
        pooled.layers["mean"][1, 0, 2] = np.nan
        return pooled


def test_non_finite_values_are_never_stored(corpus, utterances, tmp_path):
    summary = extract(utterances(corpus), Mad(), tmp_path / "c.h5", Settings(batch_seconds=1.0))
    assert summary.refused
    assert "NaN" in summary.refused[0].reason
    assert np.isfinite(Cache(tmp_path / "c.h5").embeddings()).all()


def test_sequences_are_cached(corpus, utterances, tmp_path):
    engine = StandIn(sequence_rate=5.0, sequence_layers=[0, 2])
    extract(utterances(corpus), engine, tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        assert cache.sequence_layers == (0, 2)
        lengths = [len(steps) for steps in cache.sequences(2)]
        durations = cache.utterances["duration"]
        assert lengths == [max(1, round(seconds * 5)) for seconds in durations]


def test_segments_of_one_recording(tmp_path, utterances, waveform):
    soundfile.write(tmp_path / "long.wav", waveform(1, 3.0), 16_000, subtype="FLOAT")
    rows = ["file,start,end,emotion,speaker"]
    rows += [f"long.wav,{n / 2},{n / 2 + 0.5},{'ab'[n % 2]},s{n % 3}" for n in range(6)]
    (tmp_path / "turns.csv").write_text("\n".join(rows))
    assert extract(utterances(tmp_path / "turns.csv"), StandIn(), tmp_path / "c.h5").total == 6
    table = Cache(tmp_path / "c.h5").utterances
    assert table["start"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert table["duration"].eq(0.5).all()
    assert extract(utterances(tmp_path / "turns.csv"), StandIn(), tmp_path / "c.h5").cached == 6


def in_conditions(corpus, utterances, *levels):
    """The utterances of a corpus, clean and with other gains."""
    clean = utterances(corpus)
    of_levels = conditions([f"gain:{level}" for level in levels], clean)
    return [*clean, *(u.degraded(of[n]) for of in of_levels for n, u in enumerate(clean))]


def test_conditions_are_added_and_nothing_is_embedded_twice(corpus, utterances, tmp_path):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    summary = extract(in_conditions(corpus, utterances, -20), StandIn(), tmp_path / "c.h5")
    assert (summary.embedded, summary.cached, summary.total) == (12, 12, 24)
    summary = extract(in_conditions(corpus, utterances, -20, -6), StandIn(), tmp_path / "c.h5")
    assert (summary.embedded, summary.cached, summary.total) == (12, 24, 36)
    once = extract(in_conditions(corpus, utterances, -6, -20), StandIn(), tmp_path / "once.h5")
    assert (once.embedded, once.total) == (36, 36)
    with Cache(tmp_path / "c.h5", True) as cache, Cache(tmp_path / "once.h5", True) as other:
        assert cache.utterances.equals(other.utterances)
        np.testing.assert_array_equal(cache.embeddings(), other.embeddings())
        loud, quiet = cache[utterances(corpus)[0].id][0], cache.layer(0)[12]
        np.testing.assert_allclose(quiet, loud / 10, atol=1e-4)


def test_a_removed_recording_is_pruned_in_all_conditions(corpus, utterances, tmp_path):
    extract(in_conditions(corpus, utterances, -20), StandIn(), tmp_path / "c.h5")
    utterances(corpus)[0].file.unlink()
    summary = extract(utterances(corpus), StandIn(), tmp_path / "c.h5", Settings(prune=True))
    assert (summary.pruned, summary.total) == (2, 22)


def test_a_pruned_utterance_stays_away_after_a_crash(corpus, utterances, tmp_path, monkeypatch):
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    gone, changed = utterances(corpus)[:2]
    gone.file.unlink()
    changed.file.write_bytes(utterances(corpus)[4].file.read_bytes())

    def crash(path, *args, **kwargs):
        if path.suffix == ".h5" and path.parent.name.endswith(".parts"):
            raise KeyboardInterrupt
        return unlink(path, *args, **kwargs)

    unlink = type(tmp_path).unlink
    with monkeypatch.context() as patched:
        patched.setattr(type(tmp_path), "unlink", crash)
        with pytest.raises(KeyboardInterrupt):
            extract(utterances(corpus), StandIn(), tmp_path / "c.h5", Settings(prune=True))
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5", Settings(prune=True))
    extract(utterances(corpus), StandIn(), tmp_path / "c.h5")
    assert gone.id not in set(Cache(tmp_path / "c.h5").utterances["id"])


def test_many_shards_need_few_descriptors(folder_corpus, utterances, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_UTTERANCES", 1)
    listed = utterances(folder_corpus(80, seconds=(0.05,)))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, before[1]))
    try:
        assert extract(listed, StandIn(), tmp_path / "c.h5").total == 80
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
