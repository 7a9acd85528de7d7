"""Decoding of streams, compared with libsndfile."""

import io
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from classify.inference.pcm import PCM
from classify.inference.stream.decoder import Decoder
from classify.inference.stream.sources import StandardInput
from data.errors import AudioError, UsageError
from extract import audio

SUBTYPES = {
    "u8": "PCM_U8", "s16le": "PCM_16", "s24le": "PCM_24", "s32le": "PCM_32", "f32le": "FLOAT",
    "f64le": "DOUBLE",
}  # fmt: skip


def written(samples: np.ndarray, rate: int, **how: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **how)
    return file.getvalue()


def parsed(raw: str) -> PCM:
    coding, *numbers = raw.split(":")
    return PCM(coding, *map(int, numbers))


def decoded(data: bytes, raw: str = "s16le", cuts: tuple[int, ...] = ()) -> np.ndarray:
    """The samples of data that comes in pieces; between some of them nothing comes for a while."""
    ends = [*sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def read(count: int) -> bytes | None:
        if not pieces:
            return b""
        piece, pieces[0] = pieces[0][:count], pieces[0][count:]
        if not pieces[0]:
            pieces.pop(0)
        return piece or None

    return np.concatenate([*Decoder(read, parsed(raw)).samples(seconds=0.01), np.empty(0, "f4")])


@pytest.mark.parametrize("data", [bytes(64), b"\0"])
def test_samples_without_a_header_need_a_format(data: bytes) -> None:
    with pytest.raises(AudioError, match=r"no WAV by its first bytes; .* --encoding s16le"):
        Decoder(io.BytesIO(data).read)


def test_no_bytes_are_no_audio() -> None:
    with pytest.raises(AudioError, match="ended before there was any audio"):
        Decoder(io.BytesIO().read, PCM())


def piped(data: bytes, raw: str = "s16le", seconds: float = 0.5) -> np.ndarray:
    """What `StandardInput` makes of a real pipe."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    blocks = list(StandardInput(reading, parsed(raw), seconds).blocks())
    writer.join()
    os.close(reading)
    return np.concatenate(blocks)


@pytest.mark.parametrize("coding", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RAW"])
def test_equals_libsndfile(coding: str, channels: int, form: str) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (400, channels))
    data = written(samples, 8_000, format=form, subtype=SUBTYPES[coding])
    file = io.BytesIO(data)
    layout = {"samplerate": 8_000, "channels": channels, "subtype": SUBTYPES[coding]}
    given = {"format": "RAW", **layout} if form == "RAW" else {}
    expected = soundfile.read(file, dtype="float32", always_2d=True, **given)[0].mean(axis=1)
    found = decoded(data, f"{coding}:8000:{channels}")
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


@given(st.data())
def test_however_the_bytes_are_cut(data: st.DataObject) -> None:
    coding = data.draw(st.sampled_from(list(SUBTYPES)))
    form = data.draw(st.sampled_from(["WAV", "WAVEX", "RAW"]))
    channels = data.draw(st.integers(1, 3))
    samples = np.random.default_rng(1).uniform(-1, 1, (data.draw(st.integers(0, 60)), channels))
    content = written(samples, 16_000, format=form, subtype=SUBTYPES[coding])
    cuts = tuple(data.draw(st.lists(st.integers(0, len(content)), max_size=12)))
    raw = f"{coding}:16000:{channels}"
    if not content:
        return
    np.testing.assert_array_equal(decoded(content, raw, cuts), decoded(content, raw))
    assert len(decoded(content, raw)) == len(samples)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_length_that_was_not_known_is_none(length: int) -> None:
    data = bytearray(written(np.linspace(-1, 1, 100), 16_000, format="WAV"))
    data[40:44] = struct.pack("<I", length)
    assert len(decoded(bytes(data))) == 100


def test_chunks_after_the_data_are_not_audio() -> None:
    data = bytearray(written(np.linspace(-1, 1, 101), 16_000, format="WAV", subtype="PCM_U8"))
    before = data[:12] + b"LIST" + struct.pack("<I", 5) + b"INFO\0\0" + data[12:]
    decoder = Decoder(io.BytesIO(bytes(before) + b"LIST\4\0\0\0INFO").read, PCM())
    assert sum(map(len, decoder.samples(seconds=0.001))) == 101
    assert str(decoder.format) == "u8, 16,000 Hz, mono"


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_a_pipe_equals_a_file(tmp_path: Path, waveform, rate: int) -> None:
    samples = np.stack([waveform(1, 1.3, rate), waveform(2, 1.3, rate)], axis=1)
    file = tmp_path / "a.wav"
    soundfile.write(file, samples, rate, subtype="PCM_16")
    expected = audio.read(file).waveform
    for seconds in (0.1, 0.5):
        np.testing.assert_allclose(piped(file.read_bytes(), "s16le", seconds), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"fLaC" + bytes(60), "is FLAC, expected WAV or raw PCM; decode it: ffmpeg"),
        (b"OggS" + bytes(60), "is OGG"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "without format"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x00", "without format"),
        (b"RIFF\0\0\0\0WAVE" + 9_000 * b"junk\0\0\0\0", "without format"),
        (b"RIFF\0\0\0\0WAVEfmt ", "ended in the header"),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0aa", "damaged format"),
        (written(np.zeros(100), 8_000, format="WAV", subtype="ULAW"), "0x0007 with 8 bits"),
        (written(np.zeros(100), 8_000, format="WAV", subtype="IMA_ADPCM"), "0x0011 with 4 bits"),
        (
            written(np.zeros(100), 3_000, format="WAV"),
            "input: rate 3000: expected 4000 to 384000 Hz",
        ),
        (written(np.zeros((9, 9)), 8_000, format="WAV"), "channels 9: expected 1 to 8"),
    ],
)
def test_unsupported_formats_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        decoded(data)


@pytest.mark.parametrize(
    ("raw", "message"),
    [("mp3", "encoding mp3"), ("s16le:1:1", "rate 1:"), ("u8:8000:0", "channels 0:")],
)
def test_a_coding_that_makes_no_sense(raw: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parsed(raw)
