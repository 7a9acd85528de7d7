"""Quality of recordings, by signals whose properties are known."""

import numpy as np
import pytest
import scipy.signal
import soxr

from data.cache import Cache
from data.cache.columns import QUALITY
from extract import audio
from extract.engines import open_engine
from extract.pipeline import extract
from extract.quality import Quality, quality
from extract.recipe import Request

RATE = 16_000


def bursts(rng, seconds=4.0, level=-20.0):
    """Noise that is on for 0.3 s and off for 0.3 s, at `level` dB where it is on."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = rng.normal(size=len(time)) * 10 ** (level / 20)
    return np.where(time % 0.6 < 0.3, noise, 0), time % 0.6 < 0.3


def as_floats(samples):
    return samples.astype(np.float32)


@pytest.mark.parametrize("expected", [-40.0, -20.0, -6.0])
def test_level_is_that_of_the_active_part(expected):
    signal, _ = bursts(np.random.default_rng(0), level=expected)
    assert quality(as_floats(signal)).level_db == pytest.approx(expected, abs=0.6)
    assert 10 * np.log10(np.square(signal).mean()) < expected - 2.5  # with its pauses it is lower


def test_level_of_a_square_wave_of_full_scale_is_0_db():
    square = np.sign(np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE) + 0.5 / RATE)
    assert quality(as_floats(square)).level_db == 0


@pytest.mark.parametrize("expected", [0.0, 10.0, 20.0, 40.0])
def test_snr_is_that_over_the_active_part(expected):
    rng = np.random.default_rng(1)
    speech, active = bursts(rng)
    power = np.square(speech[active]).mean() / 10 ** (expected / 10)
    noisy = speech + rng.normal(size=len(speech)) * np.sqrt(power)
    assert quality(as_floats(noisy)).snr_db == pytest.approx(expected, abs=1.2)


@pytest.mark.parametrize("edge", [1_000, 3_400, 6_000])
def test_bandwidth_is_the_edge_of_the_band(edge):
    taps = scipy.signal.firwin(2_001, edge, fs=RATE, window=("kaiser", 14))
    noise = np.random.default_rng(2).normal(size=3 * RATE) * 0.1
    band = scipy.signal.oaconvolve(noise, taps, "same")
    assert quality(as_floats(band)).bandwidth_hz == pytest.approx(edge, abs=200)


def test_a_telephone_has_at_most_4_khz(speech):
    wide = audio.read(min(speech.rglob("*.wav"))).waveform
    band = soxr.resample(soxr.resample(wide, RATE, 8_000), 8_000, RATE)
    assert quality(wide).bandwidth_hz > 7_000
    assert quality(band).bandwidth_hz < 4_100


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_share_of_clipped_samples_also_after_resampling(speech, rate):
    file = min(speech.rglob("*.wav"))
    wide = soxr.resample(audio.read(file).waveform, RATE, rate)
    assert 0.001 < quality(soxr.resample(wide, rate, RATE)).clipped_share < 0.007
    for share in (0.02, 0.05):
        limit = np.quantile(abs(wide), 1 - share)
        clipped = soxr.resample(np.clip(wide, -limit, limit), rate, RATE)
        assert quality(clipped).clipped_share == pytest.approx(share, rel=0.5)


@pytest.mark.parametrize("samples", [400, 511, 512, 1_000])
def test_short_and_quiet_recordings_are_finite(waveform, samples):
    for recorded in (waveform(1, 1.0)[:samples], np.full(samples, 1e-6, np.float32)):
        assert np.isfinite(quality(recorded)).all()
    assert quality(np.full(samples, 1e-6, np.float32)).level_db == -100


def test_a_louder_recording_differs_in_its_level_alone(waveform):
    quiet, loud = quality(waveform(4, 2.0) * 0.1), quality(waveform(4, 2.0) * 0.5)
    assert loud.level_db - quiet.level_db == pytest.approx(20 * np.log10(5), abs=0.02)
    assert loud._replace(level_db=0) == pytest.approx(quiet._replace(level_db=0), abs=0.02)


def test_a_cache_holds_what_is_measured_before_normalisation(folder_corpus, utterances, tmp_path):
    listed = utterances(folder_corpus(5))
    extract(listed, open_engine("untrained:tiny", Request(), "cpu"), tmp_path / "c.h5")
    with Cache(tmp_path / "c.h5") as cache:
        table = cache.utterances.set_index("id")
    assert Quality._fields == QUALITY
    for utterance in listed:
        expected = quality(audio.read(utterance.file).waveform)
        assert tuple(table.loc[utterance.id, list(QUALITY)]) == expected
