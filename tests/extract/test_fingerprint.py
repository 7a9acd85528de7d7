"""Fingerprints of recordings: the same after encoding, resampling and a change of level."""

import io

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from extract.fingerprint import SAME, distances, fingerprint, unpacked


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(distances(fingerprint(one), unpacked([fingerprint(other)]))[0])


def encoded(samples: np.ndarray, rate: int, **form: str) -> np.ndarray:
    """Written at a rate in a format, read, and resampled to 16 kHz."""
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(samples, 16_000, rate), rate, **form)
    file.seek(0)
    return soxr.resample(soundfile.read(file, dtype="float32")[0], rate, 16_000)


FORMS = {
    "telephone": (8_000, {"format": "WAV", "subtype": "ULAW"}),
    "ogg": (22_050, {"format": "OGG", "subtype": "VORBIS"}),
    "opus": (16_000, {"format": "OGG", "subtype": "OPUS"}),
    "mp3": (16_000, {"format": "MP3", "subtype": "MPEG_LAYER_III"}),
    "flac": (44_100, {"format": "FLAC", "subtype": "PCM_16"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_real_speech_is_recognised_after_encoding(speech, form):
    files = sorted((speech / "emodb").rglob("*.wav"))[::30]
    recordings = [soundfile.read(file, dtype="float32")[0] for file in files]
    rate, more = FORMS[form]
    known = unpacked([fingerprint(one) for one in recordings])
    for number, one in enumerate(recordings):
        found = distances(fingerprint(0.4 * encoded(one, rate, **more)), known)
        assert found.argmin() == number
        assert found[number] <= SAME


def test_different_real_recordings_are_different(speech):
    for corpus in ("emodb", "ravdess"):
        files = sorted((speech / corpus).rglob("*.wav"))
        recordings = [soundfile.read(file, dtype="float32", always_2d=True) for file in files]
        prints = [fingerprint(soxr.resample(x.mean(1), rate, 16_000)) for x, rate in recordings]
        known = unpacked(prints)
        for number, one in enumerate(prints[::5]):
            others = np.delete(distances(one, known), 5 * number)
            assert others.min() > SAME


@given(st.integers(0, 40_000), st.floats(1e-4, 1e4), st.integers(0, 99))
def test_any_length_and_level(length, gain, seed):
    samples = np.random.default_rng(seed).standard_normal(length).astype(np.float32)
    assert len(bytes.fromhex(fingerprint(samples))) == 64
    if length > 8_000:
        assert distance(samples, np.float32(gain) * samples) < 0.02


def test_silence_has_a_fingerprint():
    assert len(fingerprint(np.zeros(16_000, np.float32))) == 128
    assert len(fingerprint(np.zeros(0, np.float32))) == 128
