"""Conditions: names, sets, the recordings that they add, and extraction with them."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from standin import StandIn
from storm import without_provenance

from data import Cache, corpora, scan
from data.cache.columns import ACHIEVED, CONDITION, DIGEST
from data.commands.export import main as export
from data.commands.info import main as info
from data.errors import UsageError
from extract import activity, audio
from extract.__main__ import main
from extract.commands.verify import main as verify
from extract.degradations import codecs, conditions, degrade
from extract.degradations.specs import SETS, expand
from extract.parallel.paths import placed
from extract.parallel.shards import Part, Share
from extract.pipeline import Settings, extract

SPECS = ["noise:20", "noise:5:babble", "reverb:0.3", "telephone", "crop:100"]


@pytest.fixture
def corpus(folder_corpus):
    return folder_corpus(12)


@pytest.fixture
def noise(tmp_path, waveform):
    """A folder of noise: two recordings, one of them long, and three files that are no use."""
    folder = tmp_path / "my noise"
    (folder / "street").mkdir(parents=True)
    soundfile.write(folder / "street" / "cars.wav", waveform(50, 1.5), 16_000)
    soundfile.write(folder / "rain.flac", waveform(51, 12.0, 44_100), 44_100)
    soundfile.write(folder / "click.wav", waveform(52, 0.1), 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF no audio")
    (folder / "README.txt").write_text("no recording")
    return folder


def read(root):
    return list(corpora.read(root).utterances)


def with_conditions(utterances, specs=SPECS, noise=None):
    made = conditions(specs, utterances, noise)
    return [
        one
        for number, utterance in enumerate(utterances)
        for one in (utterance, *(utterance.degraded(of[number]) for of in made))
    ]


def test_a_condition_has_one_name(caplog):
    texts = ["noise:20", "noise:20.0:white", "noise:+20", "gain:-0.0", "speed:0.90", "gsm"]
    names = [spec.name for spec in expand(texts)]
    assert names == ["noise:20:white", "gain:0", "speed:0.9", "gsm"]
    assert caplog.text.count("is there twice") == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo", "expected one of noise:SNR.*robuser"),
        ("noise", "expected noise:SNR"),
        ("noise:x", "got 'x' for SNR, expected -30 to 80"),
        ("noise:nan", "got 'nan'"),
        ("noise:20:brown", r"got 'brown', expected white\|pink\|babble\|folder"),
        ("noise:20:folder", "needs --noise DIR"),
        ("reverb:inf", "expected 0.05 to 10"),
        ("mp3:17", "expected 8, 16, 24"),
        ("clip:40", "expected 0.0001 to 0.95"),
        ("crop:0", "whole and not 0"),
        ("telephone:8", "expected telephone"),
        ("lowpass:8000", "expected 50 to 7900"),
    ],
)
def test_impossible_conditions_are_refused(text, reason):
    with pytest.raises(UsageError, match=reason):
        expand([text])


def test_a_codec_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(codecs.soundfile, "available_subtypes", lambda format: {"PCM_16": ""})
    with pytest.raises(UsageError, match=r"libsndfile .* has no OPUS; 'pip install -U soundfile'"):
        expand(["opus:16"])


@pytest.mark.parametrize("name", SETS)
def test_sets_have_valid_names_once(name, noise):
    for folder in (None, noise):
        names = [spec.name for spec in expand([name], folder)]
        assert len(names) == len(set(names)) >= 3
        assert all(len(one) <= 60 and "/" not in one for one in names)
        assert expand(names, folder) == expand([name], folder)
        assert ("noise:20:my_noise" in names) == (folder is not None and name != "small")


def test_a_babble_has_no_voice_of_the_speaker(corpus):
    utterances = [replace(one, speaker=one.file.name[:2]) for one in read(corpus)]
    (of,) = conditions(["noise:0:babble"], utterances)
    assert len({id(condition) for condition in of}) == 1  # one object: pickles stay small
    assert {noise.speaker for noise in of[0].noises} == {"s0", "s1", "s2", "s3"}
    for utterance in utterances[:4]:
        degraded = utterance.degraded(of[0])
        clean = audio.read(utterance.file).waveform
        own = tuple(n for n in of[0].noises if n.speaker == utterance.speaker)
        without = tuple(n for n in of[0].noises if n.speaker != utterance.speaker)
        expected = degrade(clean, replace(degraded, condition=replace(of[0], noises=without)))[0]
        np.testing.assert_array_equal(degrade(clean, degraded)[0], expected)
        assert len(own) == 3


def test_recordings_without_speakers_are_not_mixed_with_themselves(corpus):
    utterances = [replace(one, speaker=None) for one in read(corpus)]
    (of,) = conditions(["noise:0:babble"], utterances)
    clean = audio.read(utterances[0].file).waveform
    noisy, _ = degrade(clean, utterances[0].degraded(of[0]))
    without = tuple(n for n in of[0].noises if n.path != utterances[0].path)
    assert len(without) == len(utterances) - 1
    again, _ = degrade(clean, utterances[0].degraded(replace(of[0], noises=without)))
    np.testing.assert_array_equal(noisy, again)


def test_a_babble_needs_other_speakers(corpus):
    one_speaker = [replace(one, speaker="s0") for one in read(corpus)]
    with pytest.raises(UsageError, match=r"corpus: babble needs 5 .* than s0, found 0; use white"):
        conditions(["noise:0:babble"], one_speaker)


def test_the_order_of_utterances_does_not_matter(corpus):
    (corpus / "anger" / "s0_9.wav").write_bytes(b"no audio")
    utterances = read(corpus)
    readable = [one for one in utterances if one.id[-4:] != "s0_9"]
    one, other, fewer = (
        conditions(["noise:5:babble"], listed)[0][0]
        for listed in (utterances, utterances[::-1], readable)
    )
    assert one == other == fewer
    soundfile.write(utterances[0].file, audio.read(utterances[0].file).waveform / 2, 16_000)
    assert conditions(["noise:5:babble"], utterances)[0][0].digest != one.digest


def test_a_folder_of_noise(corpus, noise, caplog):
    utterances = read(corpus)
    (of,) = conditions(["noise:10"], utterances, noise)
    assert of[0].name == "noise:10:my_noise"
    assert [one.path for one in of[0].noises] == ["rain.flac", "street/cars.wav"]
    assert "1 file shorter than 1 s: click.wav" in caplog.text
    assert "1 file unreadable: broken.wav" in caplog.text
    clean = audio.read(utterances[5].file).waveform
    noisy, achieved = degrade(clean, utterances[5].degraded(of[5]))
    where = activity.speech(clean)
    ratio = np.square(clean[where]).sum() / np.square((noisy - clean)[where]).sum()
    assert 10 * np.log10(ratio) == pytest.approx(10, abs=0.1)
    assert achieved == pytest.approx(10, abs=0.01)
    # the noise is a stretch of one of the recordings
    added = (noisy - clean).astype(float)
    found = 0.0
    for one in of[0].noises:
        whole = audio.read(one.file).waveform.astype(float)
        size = 1 << (len(whole) + len(added)).bit_length()
        spectra = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(added, size))
        energy = np.convolve(np.square(whole), np.ones(len(added)), "valid")
        score = np.fft.irfft(spectra)[: len(energy)] / np.sqrt(energy * np.square(added).sum())
        found = max(found, score.max())
    assert found > 0.95
    digest = of[0].digest
    (noise / "rain.flac").write_bytes((noise / "street" / "cars.wav").read_bytes())
    assert conditions(["noise:10"], utterances, noise)[0][0].digest != digest


def test_a_folder_that_cannot_be_used(corpus, noise, tmp_path):
    utterances = read(corpus)
    with pytest.raises(UsageError, match="no condition uses it"):
        conditions(["noise:10:white"], utterances, noise)
    with pytest.raises(UsageError, match="expected a folder"):
        conditions(["noise:10"], utterances, tmp_path / "nothing")
    (noise / "rain.flac").unlink()
    (noise / "street" / "cars.wav").unlink()
    with pytest.raises(UsageError, match="none of 2 recordings can be used"):
        conditions(["noise:10"], utterances, noise)


def test_a_noise_that_is_silent_where_the_speech_is_not(corpus, tmp_path):
    (tmp_path / "quiet").mkdir()
    samples = np.zeros(16_000, np.float32)
    samples[0] = 0.5
    soundfile.write(tmp_path / "quiet" / "click.wav", samples, 16_000)
    utterances = read(corpus)
    listed = with_conditions(utterances, ["noise:10"], tmp_path / "quiet")
    summary = extract(listed, StandIn(), tmp_path / "c.h5")
    assert summary.embedded >= 12
    assert summary.refused
    for refusal in summary.refused:
        assert refusal.utterance.id.startswith("~noise:10:quiet/corpus/")
        assert "as noise:10:quiet: the noise is silent where the speech is" in refusal.reason


def test_paths_of_noises_follow_the_prefix(corpus, noise):
    listed = with_conditions(read(corpus), ["noise:10", "noise:5:babble", "gsm"], noise)
    moved = placed(listed, [(str(noise), "/mnt/noise"), (str(corpus), "/mnt/speech")])
    assert len({id(one.condition) for one in moved}) == 4  # with None
    by_name = {one.condition.name: one.condition for one in moved if one.condition}
    assert {str(n.root) for n in by_name["noise:10:my_noise"].noises} == {"/mnt/noise"}
    assert {str(n.root) for n in by_name["noise:5:babble"].noises} == {"/mnt/speech"}
    assert [one.id for one in moved] == [one.id for one in listed]
    assert {str(one.root) for one in moved} == {"/mnt/speech"}
    per_utterance = len(pickle.dumps(moved * 20)) / len(moved * 20)
    assert per_utterance < 250  # bytes


def test_shards_and_an_interrupted_run_equal_a_whole_run(corpus, tmp_path):
    listed = with_conditions(read(corpus))
    whole = tmp_path / "whole.h5"
    assert extract(listed, StandIn(), whole).embedded == 72
    lengths = scan.seconds(corpora.read_all([corpus]), quiet=True)
    for part in ("2/3", "3/3", "1/3"):
        share = Share.of(listed[::-1], lengths, Part.parse(part))
        extract(share, StandIn(), tmp_path / "parts.h5")
    assert without_provenance(tmp_path / "parts.h5") == without_provenance(whole)

    finished = iter(range(30))

    def watch(_: float) -> None:
        if next(finished, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(listed, StandIn(), tmp_path / "resumed.h5", Settings(batch_seconds=1, watch=watch))
    again = extract(listed, StandIn(), tmp_path / "resumed.h5")
    assert 0 < again.cached < 72
    assert without_provenance(tmp_path / "resumed.h5") == without_provenance(whole)


def test_conditions_are_added_to_a_cache_and_only_they_are_embedded(corpus, tmp_path):
    cache = tmp_path / "c.h5"
    extract(read(corpus), StandIn(), cache)
    summary = extract(with_conditions(read(corpus), ["gsm", "crop:3000"]), StandIn(), cache)
    assert (summary.embedded, summary.cached) == (20, 12)  # four of 0.2 s are too short then
    assert {one.utterance.id.partition("/")[0] for one in summary.refused} == {"~crop:3000"}
    assert all("as crop:3000: 0.0125 s is too" in r.reason or "0.013 s is too short" in r.reason
               for r in summary.refused)  # fmt: skip
    with Cache(cache) as clean, Cache(cache, degraded=True) as every:
        assert (len(clean), len(every)) == (12, 32)
        assert clean.conditions == ("crop:3000", "gsm")
        table = every.utterances
        assert CONDITION not in clean.utterances
        assert table[table[CONDITION] == "crop:3000"][ACHIEVED].eq(3000).all()
        assert table[table[CONDITION] == "gsm"][ACHIEVED].isna().all()
        assert table[table[CONDITION] == "gsm"][DIGEST].nunique() == 1
    (corpus / "anger" / "s0_0000.wav").unlink()
    listed = with_conditions(read(corpus), ["gsm"])
    extract(listed, StandIn(), cache, Settings(prune=True))
    with Cache(cache, degraded=True) as every:
        assert not every.utterances["id"].str.contains("s0_0000").any()
        assert set(every.conditions) == {"crop:3000", "gsm"}  # of the utterances that are left


def test_the_commands(corpus, noise, tmp_path, capsys):
    cache = str(tmp_path / "c.h5")
    options = [str(corpus), "--model", "untrained:tiny", "--engine", "torch", "-o", cache,
               "-q", "--degrade", "noise:20,noise:5:babble", "telephone",
               "--noise", str(noise)]  # fmt: skip
    assert main([*options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["embedded"] == 48
    assert main([*options, "--dry-run"]) == 0
    assert "0 of 48 utterances would be embedded" in capsys.readouterr().out
    assert info([cache]) == 0
    shown = capsys.readouterr().out
    assert "12 utterances" in shown
    assert "  noise:20:my_noise  12 utterances, 20" in shown
    for also, count in (([], 12), (["--degraded"], 48)):
        assert export([cache, "-o", str(tmp_path / "x.npz"), *also]) == 0
        assert len(np.load(tmp_path / "x.npz")["utterances_id"]) == count
    capsys.readouterr()
    again = [cache, "--sample", "48", "--corpus-root", str(corpus)]
    assert verify([*again, "--noise", str(noise)]) == 0
    assert "48 utterances embedded again" in capsys.readouterr().out
    assert verify(again) == 0
    shown = capsys.readouterr()
    assert "36 utterances embedded again" in shown.out
    assert "12 of the sample are left out" in shown.err


def test_noise_needs_a_condition(corpus, noise):
    with pytest.raises(UsageError, match="without a condition; add --degrade noise:20"):
        main([str(corpus), "--model", "untrained:tiny", "--noise", str(noise)])


def test_the_list_of_conditions(capsys):
    with pytest.raises(SystemExit):
        main(["--list-conditions"])
    shown = capsys.readouterr().out
    assert "noise:SNR[:white|pink|babble|folder]" in shown
    assert "small: noise:45:white" in shown
