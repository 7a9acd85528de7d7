"""Degradations: levels by their definitions, alignment, determinism, any length and level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.condition import Condition, Noise
from data.errors import AudioError
from data.utterance import Utterance
from extract.degradations import degrade
from extract.degradations.registry import DEGRADATIONS
from extract.degradations.rooms import impulse_response, reverberation_time
from extract.degradations.specs import parse

RATE = 16_000
SPEECH = slice(8_000, 40_000)  # of `spoken`


def spoken(seed: int = 0, level: float = 0.1) -> np.ndarray:
    """(sample,) half a second of silence, two of vowels, one of silence; float32."""
    random = np.random.default_rng(seed)
    time = np.arange(56_000) / RATE
    tones = sum(np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 50))
    samples = 1e-5 * random.standard_normal(len(time))
    samples[SPEECH] += (level * tones * (1.2 + np.sin(2 * np.pi * 4 * time)))[SPEECH]
    return samples.astype(np.float32)


def as_condition(text: str, noises: tuple[Noise, ...] = (), name: str = "toy/a") -> Utterance:
    utterance = Utterance(name, "toy", noises[0].root if noises else None, "a.wav", "s0")
    return utterance.degraded(Condition(text, "0", noises))


def degraded(waveform: np.ndarray, text: str, **options) -> tuple[np.ndarray, float | None]:
    return degrade(waveform, as_condition(parse(text).name, **options))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=float))))


@pytest.mark.parametrize("snr", [-5, 0, 20, 45])
@pytest.mark.parametrize("kind", ["white", "pink"])
def test_the_ratio_is_that_of_speech_to_noise_without_the_pauses(snr, kind):
    clean = spoken()
    noisy, achieved = degraded(clean, f"noise:{snr}:{kind}")
    noise = noisy.astype(float) - clean
    assert 20 * np.log10(rms(clean[SPEECH]) / rms(noise[SPEECH])) == pytest.approx(snr, abs=0.1)
    assert achieved == pytest.approx(snr, abs=0.01)
    # stationary: the pauses have the same noise, and a ratio over them is another one
    assert rms(noise[: SPEECH.start]) == pytest.approx(rms(noise[SPEECH]), rel=0.15)
    assert 20 * np.log10(rms(clean) / rms(noise)) < snr - 1.5


def test_pink_noise_loses_three_decibels_an_octave():
    silence = np.zeros(2**17, np.float32)
    silence[0] = 1
    noise = degraded(silence, "noise:0:pink")[0] - silence
    power = np.abs(np.fft.rfft(noise)) ** 2
    bands = [power[2**k : 2 ** (k + 1)].mean() for k in range(8, 16)]
    np.testing.assert_allclose(np.diff(10 * np.log10(bands)), -3.01, atol=1.0)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.5])
def test_the_reverberation_time_is_that_of_the_decay(seconds):
    click = np.zeros(3 * RATE, np.float32)
    click[100] = 1
    wet, achieved = degraded(click, f"reverb:{seconds}")
    assert len(wet) == len(click)
    assert np.argmax(np.abs(wet)) == 100
    # slope of the energy in windows of 10 ms, from the click to 40 dB below it
    windows = np.square(wet[101:].astype(float))[: int(seconds * RATE * 2 / 3)]
    levels = 10 * np.log10(windows[: len(windows) // 160 * 160].reshape(-1, 160).mean(1))
    slope = np.polyfit(np.arange(len(levels)) / 100, levels, 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.12)
    assert achieved == pytest.approx(seconds, rel=0.12)


def test_the_measured_reverberation_time_is_exact_for_an_exact_decay():
    decay = 10 ** (-3 * np.arange(2 * RATE) / RATE / 0.7)
    assert reverberation_time(decay) == pytest.approx(0.7, rel=1e-3)


def test_a_longer_reverberation_is_louder():
    tails = [impulse_response(t, np.random.default_rng(0))[1:] for t in (0.4, 0.8)]
    assert rms(tails[1]) ** 2 * len(tails[1]) / (rms(tails[0]) ** 2 * len(tails[0])) == (
        pytest.approx(2)
    )


def gain_at(text: str, hertz: float) -> float:
    """dB of a sine in a condition, without its ends."""
    sine = (0.3 * np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE)).astype(np.float32)
    return 20 * np.log10(rms(degraded(sine, text)[0][4000:-4000]) / rms(sine[4000:-4000]) + 1e-9)


@pytest.mark.parametrize("text", ["lowpass:1000", "lowpass:7500", "highpass:150", "highpass:1000"])
def test_a_filter_has_minus_three_decibels_at_its_level(text):
    hertz = float(text.partition(":")[2])
    sign = 1 if text.startswith("low") else -1
    assert gain_at(text, hertz) == pytest.approx(-3.01, abs=0.1)
    assert gain_at(text, hertz * 2 ** (-sign)) == pytest.approx(0, abs=0.1)
    if hertz < 4000:
        assert gain_at(text, hertz * 2**sign) < -40


def test_a_telephone_has_its_band():
    assert gain_at("telephone", 1000) == pytest.approx(0, abs=0.3)
    assert gain_at("telephone", 150) < -30
    assert gain_at("telephone", 3900) < -6
    noisy, achieved = degraded(spoken(), "telephone")
    spectrum = np.abs(np.fft.rfft(noisy)) ** 2
    above = np.fft.rfftfreq(len(noisy), 1 / RATE) > 4100
    assert spectrum[above].sum() < 1e-5 * spectrum.sum()
    assert achieved is None
    # µ-law has about 38 dB of signal to noise at any level of this range
    for level in (0.5, 0.02):
        sine = (level * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)).astype(np.float32)
        error = (degraded(sine, "telephone")[0] - sine)[2000:-2000]
        assert 30 < 20 * np.log10(rms(sine) / rms(error)) < 45


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_the_share_of_clipped_samples(share):
    clean = spoken()
    clipped, achieved = degraded(clean, f"clip:{share}")
    limit = np.abs(clipped).max()
    assert np.mean(np.abs(clipped) == limit) == pytest.approx(share, abs=1e-3)
    assert achieved == pytest.approx(share, abs=1e-3)
    untouched = np.abs(clean) < limit
    np.testing.assert_array_equal(clipped[untouched], clean[untouched])


@pytest.mark.parametrize("decibels", [-20, -2, 2])
def test_a_gain_is_stored_as_16_bits(decibels):
    clean = spoken()
    louder, achieved = degraded(clean, f"gain:{decibels}")
    np.testing.assert_allclose(louder, clean * 10 ** (decibels / 20), atol=0.51 / 32768)
    np.testing.assert_array_equal(louder * 32768, np.round(louder * 32768))
    assert 20 * np.log10(rms(louder[SPEECH]) / rms(clean[SPEECH])) == pytest.approx(decibels, 0.01)
    assert achieved == pytest.approx(decibels, abs=0.02)


def test_a_high_gain_clips_and_the_measured_one_is_less():
    louder, achieved = degraded(spoken(level=0.3), "gain:20")
    assert louder.max() == 32767 / 32768
    assert louder.min() == -1
    assert achieved < 19


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_length_and_pitch(factor):
    sine = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    played, achieved = degraded(sine, f"speed:{factor}")
    assert len(played) == pytest.approx(len(sine) / factor, abs=1)
    assert achieved == pytest.approx(factor, rel=1e-3)
    peak = np.argmax(np.abs(np.fft.rfft(played))) * RATE / len(played)
    assert peak == pytest.approx(1000 * factor, abs=1)


def test_crop_cuts_the_beginning_or_the_end():
    clean = spoken()
    np.testing.assert_array_equal(degraded(clean, "crop:500")[0], clean[500:])
    np.testing.assert_array_equal(degraded(clean, "crop:-500")[0], clean[:-500])


@pytest.mark.parametrize("text", ["opus:8", "opus:32", "opus:64", "mp3:8", "mp3:32", "mp3:64"])
def test_the_bit_rate_is_that_of_the_file(text):
    clean = np.tile(spoken(), 4)
    _, achieved = degraded(clean, text)
    level = float(text.partition(":")[2])
    assert achieved == pytest.approx(level, rel=0.25)  # Opus varies, and MP3 is padded
    if text.startswith(
        "mp3"
    ):  # MPEG-2: a frame has 576 samples, and at 16 kHz 4.5 bytes per kbit/s
        frames = achieved * len(clean) / RATE * 1000 / 8 / (4.5 * level)
        assert frames == pytest.approx(round(frames))
        assert 0 <= frames - len(clean) / 576 < 5


@pytest.mark.parametrize(
    "text",
    ["telephone", "gsm", "opus:16", "opus:64", "mp3:8", "mp3:32", "mp3:40", "mp3:160",
     "lowpass:3000", "highpass:200", "noise:10", "reverb:0.5", "gain:-30", "clip:0.5"],
)  # fmt: skip
@pytest.mark.parametrize("length", [56_000, 8_001])
def test_nothing_moves_in_time(text, length):
    noise = np.random.default_rng(0).standard_normal(length).astype(np.float32) / 10
    clean = degraded(degraded(noise, "highpass:400")[0], "lowpass:1500")[0]  # all codecs keep it
    coded, _ = degraded(clean, text)
    assert len(coded) == length
    spectra = np.fft.rfft(coded, 2 * length) * np.conj(np.fft.rfft(clean, 2 * length))
    correlation = np.fft.irfft(spectra)
    best = int(np.argmax(correlation))
    assert min(best, 2 * length - best) == 0


LEVELS = {
    "noise": st.floats(-30, 80), "reverb": st.floats(0.05, 3), "opus": st.floats(6, 256),
    "mp3": st.sampled_from(DEGRADATIONS["mp3"].levels), "clip": st.floats(0.0001, 0.95),
    "gain": st.floats(-90, 60), "speed": st.floats(0.25, 4), "lowpass": st.floats(50, 7900),
    "highpass": st.floats(10, 7500), "crop": st.integers(-99_999, 99_999).filter(bool),
}  # fmt: skip
SHIFTING = ("speed", "crop")


@given(st.data())
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_any_length_and_level(name, data):
    text = name
    if name in LEVELS:
        text += f":{data.draw(LEVELS[name])}"
    length = data.draw(st.integers(400, 20_000))
    amplitude = data.draw(st.sampled_from([1e-4, 0.1, 1.0]))
    random = np.random.default_rng(length)
    clean = (amplitude * random.uniform(-1, 1, length)).astype(np.float32)
    before = clean.copy()
    try:
        result, achieved = degraded(clean, text)
    except AudioError:
        return
    np.testing.assert_array_equal(clean, before)  # conditions share the clean samples
    assert result.dtype == np.float32
    assert result.ndim == 1
    assert np.isfinite(result).all()
    assert achieved is None or np.isfinite(achieved)
    if name not in SHIFTING:
        assert len(result) == length


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_same_utterance_has_the_same_samples(name):
    level = {"mp3": 16, "clip": 0.3, "lowpass": 900, "highpass": 900, "opus": 16}.get(name, 2)
    text = f"{name}:{level}" if DEGRADATIONS[name].unit else name
    first, again, other = (
        degraded(spoken(), text, name=name)[0] for name in ("toy/a", "toy/a", "toy/b")
    )
    np.testing.assert_array_equal(first, again)
    assert (name in ("noise", "reverb")) == (not np.array_equal(first, other))


def test_levels_have_the_same_noise():
    clean = spoken()
    quiet, loud = (degraded(clean, f"noise:{snr}:white")[0] - clean for snr in (20, 0))
    np.testing.assert_allclose(loud / 10, quiet, atol=1e-6)
