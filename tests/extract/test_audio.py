"""Recordings that are read, recordings that are refused, and the messages."""

import hashlib
import io
import struct

import numpy as np
import pytest
import soundfile
import soxr

from data.errors import AudioError
from extract import audio


def write(path, samples, rate=16_000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "ULAW"}),
        ("a.wav", {"format": "WAVEX", "subtype": "PCM_16"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("flac-inside.wav", {"format": "FLAC"}),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_reads_as_soundfile_and_soxr_do(tmp_path, waveform, name, options, rate):
    path = write(tmp_path / name, waveform(1, 0.6, rate), rate, **options)
    samples, _ = soundfile.read(path, dtype="float32")
    expected = soxr.resample(samples, rate, 16_000, quality="HQ")
    recording = audio.read(path)
    assert recording.waveform.dtype == np.float32
    np.testing.assert_allclose(recording.waveform, expected, atol=1e-6)
    assert recording.seconds == len(expected) / 16_000
    assert recording.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_channels_are_averaged(tmp_path, waveform):
    left, right = waveform(1, 0.3), waveform(2, 0.3)
    path = write(tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT")
    np.testing.assert_allclose(audio.read(path).waveform, (left + right) / 2, atol=1e-7)


def test_segments_are_stretches_of_the_recording(tmp_path, waveform):
    samples = waveform(1, 10.0)
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    segment = audio.read(path, start=2.5, end=4.0).waveform
    np.testing.assert_array_equal(segment, samples[40_000:64_000])
    rest = audio.read(path, start=9.0).waveform
    np.testing.assert_array_equal(rest, samples[144_000:])


def test_normalises_as_transformers_does(waveform):
    from transformers import Wav2Vec2FeatureExtractor

    samples = waveform(1, 0.7) + 0.25
    expected = Wav2Vec2FeatureExtractor()(samples, sampling_rate=16_000).input_values[0]
    np.testing.assert_allclose(audio.normalise(samples), expected, atol=1e-6)


def wav(samples, rate=16_000, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", **options)
    return bytearray(file.getvalue())


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 8_000).astype(np.float32)
NAN = NOISE.copy()
NAN[500] = np.nan
LIES = {  # bytes of a file → what the refusal says
    "empty": (b"", "empty file"),
    "text": (b"this is no audio, though it is called so" * 9, "not audio"),
    "no chunks": (b"RIFF\0\0\0\0WAVE", "without a format"),
    "cut short": (bytes(wav(NOISE))[:9_000], "cut short"),
    "header only": (bytes(wav(NOISE))[:44], "cut short"),
    "no samples": (bytes(wav(NOISE[:0])), "no samples"),
    "silent": (bytes(wav(NOISE * 0)), "silent"),
    "NaN": (bytes(wav(NAN, subtype="FLOAT")), "NaN"),
    "too short": (bytes(wav(NOISE[:160])), "0.010 s is too short"),
    "nine channels": (bytes(wav(np.stack([NOISE] * 9, 1))), "9 channels"),
    "1 kHz": (bytes(wav(NOISE, 1_000)), "1000 Hz"),
    "2 MHz": (bytes(wav(NOISE, 2_000_000)), "2000000 Hz"),
    "IMA ADPCM": (bytes(wav(NOISE, subtype="IMA_ADPCM")), "0x0011"),
    "MS ADPCM": (bytes(wav(NOISE, subtype="MS_ADPCM")), "0x0002"),
    "AIFF": (b"FORM\0\0\1\0AIFFCOMM" + bytes(200), "not audio"),
}


@pytest.mark.parametrize("lie", LIES)
def test_refusals_have_a_reason(tmp_path, lie):
    content, reason = LIES[lie]
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=reason):
        audio.read(tmp_path / "a.wav")


def test_refuses_what_is_longer_than_allowed(tmp_path, waveform):
    path = write(tmp_path / "a.wav", waveform(1, 3.0))
    with pytest.raises(AudioError, match=r"3 s is longer than the 2 s.*give segments"):
        audio.read(path, max_seconds=2.0)
    assert audio.read(path, start=0.5, end=2.0, max_seconds=2.0).seconds == 1.5


def test_refuses_segments_outside_of_the_recording(tmp_path, waveform):
    path = write(tmp_path / "a.wav", waveform(1, 1.0))
    with pytest.raises(AudioError, match="after the end of the recording"):
        audio.read(path, start=5.0, end=6.0)
    with pytest.raises(AudioError, match=r"beyond its end: expected 1\.500 s, found 0\.500 s"):
        audio.read(path, start=0.5, end=2.0)


def test_a_false_length_in_a_flac_header_allocates_nothing(tmp_path, waveform):
    path = write(tmp_path / "a.flac", waveform(1, 1.0))
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # STREAMINFO: 36 bits of the number of samples
    content[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="longer than"):
        audio.read(path)
    struct.pack_into(">I", content, 22, 5 * 16_000)
    content[21] &= 0xF0
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"cut short|damaged"):
        audio.read(path)


def test_a_streamed_wav_of_unknown_length_is_read(tmp_path, waveform):
    content = wav(waveform(1, 0.5))
    struct.pack_into("<I", content, 40, 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(content)
    assert audio.read(tmp_path / "a.wav").seconds == 0.5


def test_an_mp3_whose_length_is_guessed_wrongly_is_refused(tmp_path):
    """Loud, then soft, at a variable rate: without its first frame the length is a guess."""
    loud = np.random.default_rng(0).uniform(-0.9, 0.9, 5 * 16_000)
    soft = 0.001 * np.sin(np.arange(15 * 16_000) / 20)
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.concatenate([loud, soft]), 16_000, format="MP3",
                    bitrate_mode="VARIABLE", compression_level=0.3)  # fmt: skip
    assert abs(audio.read(path).seconds - 20) < 0.2
    content = path.read_bytes()
    second = content.index(content[:2], content.index(b"Xing"))
    path.write_bytes(content[second:])
    with pytest.raises(AudioError, match="unknown length"):
        audio.read(path)
