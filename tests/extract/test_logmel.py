"""Baselines without a model, compared with explicit loops."""

import math

import h5py
import numpy as np
import pytest
import scipy.signal
from standin import StandIn

from data import Cache
from data.errors import CacheError
from extract import audio
from extract.baselines import baselines, energy, logmel
from extract.decoding import Refusal
from extract.embedder import Embedder
from extract.engines import open_engine
from extract.pipeline import extract
from extract.recipe import Request


def triangle(frequency: float, lower: float, centre: float, upper: float) -> float:
    if lower < frequency <= centre:
        return (frequency - lower) / (centre - lower)
    if centre < frequency < upper:
        return (upper - frequency) / (upper - centre)
    return 0.0


def plain_logmel(samples: np.ndarray) -> np.ndarray:
    """(frame, 80): a discrete Fourier transform by its definition, one frame at a time."""
    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (20, 8000))
    edges = [700 * (10 ** ((lowest + n * (highest - lowest) / 81) / 2595) - 1) for n in range(82)]
    window = scipy.signal.get_window("hann", 400)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    rows = []
    for start in range(0, len(samples) - 399, 160):
        power = abs(turns @ (window * samples[start : start + 400].astype(float))) ** 2
        rows.append(
            [
                math.log(
                    max(1e-10, sum(triangle(16_000 / 512 * k, *edges[band : band + 3]) * power[k]
                                   for k in range(257)))
                )
                for band in range(80)
            ]
        )  # fmt: skip
    return np.array(rows)


@pytest.mark.parametrize("samples", [400, 559, 560, 4_000])
def test_logmel_follows_its_definition(waveform, samples):
    recorded = waveform(3, 1.0)[:samples]
    expected = plain_logmel(recorded)
    assert len(expected) == 1 + (samples - 400) // 160
    np.testing.assert_allclose(logmel(recorded), expected, atol=1e-4)


def test_energy_follows_its_definition(waveform):
    recorded = waveform(5, 0.3)
    starts = range(0, len(recorded) - 399, 160)
    expected = [
        10 * math.log10(sum(float(s) ** 2 for s in recorded[start : start + 400]) / 400)
        for start in starts
    ]
    np.testing.assert_allclose(energy(recorded)[:, 0], expected, atol=1e-4)


def test_each_frame_is_as_if_it_were_alone(waveform):
    """Also in recordings that are longer than what is transformed at a time."""
    recorded = waveform(7, 12.0)
    together = logmel(recorded)
    assert len(together) == 1 + (len(recorded) - 400) // 160
    for frame in (0, 511, 512, 513, 1_030, len(together) - 1):
        alone = logmel(recorded[160 * frame : 160 * frame + 400])
        np.testing.assert_allclose(together[frame], alone[0], rtol=1e-5)


def test_a_tone_is_loudest_in_its_own_band():
    time = np.arange(16_000) / 16_000
    for hertz in (100, 440, 1_000, 3_000, 7_000):
        tone = (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
        mel = 2595 * np.log10(1 + hertz / 700)
        lowest, highest = 2595 * np.log10(1 + np.array([20, 8000]) / 700)
        band = (mel - lowest) / (highest - lowest) * 81 - 1
        assert abs(logmel(tone).mean(0).argmax() - band) < 1.5
        np.testing.assert_allclose(energy(tone), 10 * np.log10(0.125), atol=0.2)


def test_silence_is_the_floor_without_deviation():
    found = baselines(np.zeros(8_000, np.float32), ["logmel", "energy"])
    np.testing.assert_allclose(found["logmel"], [math.log(1e-10)] * 80 + [0] * 80, rtol=1e-6)
    np.testing.assert_allclose(found["energy"], [-100, 0], atol=1e-4)


@pytest.mark.parametrize("samples", [1, 399, 400])
def test_a_recording_shorter_than_a_frame_is_one_frame(waveform, samples):
    found = baselines(waveform(2, 0.1)[:samples], ["logmel", "energy"])
    for name, dim in (("logmel", 160), ("energy", 2)):
        assert found[name].shape == (dim,)
        assert found[name].dtype == np.float32
        assert np.isfinite(found[name]).all()
        assert (found[name][dim // 2 :] == 0).all()  # one frame does not deviate


def test_louder_by_6_db_is_that_much_more(waveform):
    recorded = waveform(1, 0.5)
    quiet, loud = (baselines(recorded * gain, ["logmel", "energy"]) for gain in (0.25, 0.5))
    np.testing.assert_allclose(loud["energy"] - quiet["energy"], [20 * np.log10(2), 0], atol=1e-4)
    difference = loud["logmel"] - quiet["logmel"]
    np.testing.assert_allclose(difference[:80], 2 * np.log(2), atol=1e-4)
    np.testing.assert_allclose(difference[80:], 0, atol=1e-4)


def test_every_cache_has_them(folder_corpus, utterances, tmp_path):
    listed = utterances(folder_corpus(5))
    extract(listed, open_engine("untrained:tiny", Request(), "cpu"), tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        assert cache.baselines == ("energy", "logmel")
        assert "80 bands" in cache.recipe["baselines"]["logmel"]
        logmels, levels = cache.baseline("logmel"), cache.baseline("energy")
        assert (logmels.shape, levels.shape) == ((5, 160), (5, 2))
        assert logmels.dtype == levels.dtype == np.float32
        for row, utterance in enumerate(sorted(listed, key=lambda u: u.id)):
            recorded = audio.read(utterance.file).waveform  # before normalisation
            frames = plain_logmel(recorded)
            np.testing.assert_allclose(logmels[row], [*frames.mean(0), *frames.std(0)], atol=2e-4)
            np.testing.assert_allclose(levels[row, 0], energy(recorded).mean(), rtol=1e-5)
        for result in Embedder.from_recipe(cache.recipe, "cpu")(listed):
            assert not isinstance(result, Refusal)
            np.testing.assert_array_equal(
                result.baselines["logmel"],
                logmels[cache.utterances["id"].tolist().index(result.utterance.id)],
            )
    with h5py.File(tmp_path / "c.h5") as file:
        np.testing.assert_array_equal(file["baselines/logmel"][()], logmels)


def test_a_cache_of_before_is_extended_without_them(folder_corpus, utterances, tmp_path):
    old = Request(baselines=())
    extract(utterances(folder_corpus(4, name="old")), open_engine("untrained:tiny", old, "cpu"),
            tmp_path / "c.h5")  # fmt: skip
    with Cache(tmp_path / "c.h5") as cache:
        recipe = cache.recipe
    assert "baselines" not in recipe
    Embedder.from_recipe(recipe, "cpu")
    now = open_engine("untrained:tiny", Request().fitted_to(recipe), "cpu")
    extract(utterances(folder_corpus(3, name="new")), now, tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        assert len(cache) == 7
        with pytest.raises(CacheError, match=r"no baseline 'logmel'.*extract again"):
            cache.baseline("logmel")


def test_a_shard_reads_them_by_id(folder_corpus, utterances, tmp_path):
    """Newer rows replace older ones in baselines as they do in layers."""
    root = folder_corpus(6)
    extract(utterances(root), StandIn(), tmp_path / "c.h5")
    before = Cache(tmp_path / "c.h5").baseline("energy")
    changed = utterances(root)[2]
    changed.file.write_bytes(utterances(root)[5].file.read_bytes())
    extract(utterances(root), StandIn(), tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        ids, after = cache.utterances["id"].tolist(), cache.baseline("energy")
    row, source = ids.index(changed.id), ids.index(utterances(root)[5].id)
    np.testing.assert_array_equal(after[row], before[source])
    others = [n for n in range(len(ids)) if n != row]
    np.testing.assert_array_equal(after[others], before[others])
