"""Containers: decoded as soundfile decodes the same samples, in a process that may fail."""

import os
import signal
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from data import containers, corpora
from data.commands import scan
from data.errors import AudioError
from extract import audio

av = pytest.importorskip("av")


def encode(
    path: Path, samples: np.ndarray, rate: int = 16_000, codec: str = "pcm_s16le", **options
) -> Path:
    """Write (sample, channel) integers of 16 bits to a container."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    layout = {1: "mono", 2: "stereo", 8: "7.1"}[samples.shape[1]]
    options = {"strict": "experimental", **options}  # FLAC in MP4
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.format, layout, rate)
        for part in [*resampler.resample(frame), None]:
            for packet in stream.encode(part):
                container.mux(packet)
    return path


def integers(waveform, seed: int, seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    found = np.stack([waveform(seed + k, seconds, rate) for k in range(channels)], 1)
    return (found * 32_767).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.avi", "pcm_s16le"), ("a.m4a", "alac"), ("a.mp4", "flac"), ("a.webm", "flac")],
)
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2)])
def test_lossless_audio_is_read_as_from_a_wav(tmp_path, waveform, name, codec, rate, channels):
    samples = integers(waveform, 1, 1.3, rate, channels)
    if name == "a.webm":  # webm has lossy codecs alone, its twin matroska has all
        encode(tmp_path / "a.mkv", samples, rate, codec).rename(tmp_path / name)
    else:
        encode(tmp_path / name, samples, rate, codec)
    soundfile.write(tmp_path / "a.wav", samples, rate)
    found, expected = audio.read(tmp_path / name), audio.read(tmp_path / "a.wav")
    np.testing.assert_allclose(found.waveform, expected.waveform, atol=1e-7)
    assert found.sha256 == audio.checksum(tmp_path / name)
    part = audio.read(tmp_path / name, 0.3, 0.9).waveform
    np.testing.assert_allclose(
        part, audio.read(tmp_path / "a.wav", 0.3, 0.9).waveform, atol=1e-7
    )  # fmt: skip
    streamed = np.concatenate(list(audio.stream(tmp_path / name)))
    np.testing.assert_array_equal(streamed, found.waveform)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus")])
def test_lossy_audio_has_its_length_and_its_sound(tmp_path, waveform, name, codec):
    samples = integers(waveform, 1, 1.5, 48_000)
    encode(tmp_path / name, samples, 48_000, codec)
    expected = soxr.resample(samples[:, 0] / np.float32(32_768), 48_000, 16_000, quality="HQ")
    found = audio.read(tmp_path / name).waveform
    assert abs(len(found) - len(expected)) < 0.1 * 16_000
    both = min(len(found), len(expected))
    assert np.corrcoef(found[:both], expected[:both])[0, 1] > 0.5


@pytest.fixture
def m4a(tmp_path, waveform) -> Path:
    return encode(tmp_path / "a.m4a", integers(waveform, 1, 2.0, 16_000), 16_000, "alac")


def test_limits_are_those_of_the_other_formats(tmp_path, waveform, m4a):
    with pytest.raises(AudioError, match=r"2 s is longer than the 1 s read at once"):
        audio.read(m4a, max_seconds=1.0)
    assert audio.read(m4a, 0.5, 1.25, max_seconds=1.0).seconds == 0.75
    with pytest.raises(AudioError, match="starts at 5 s, after the end"):
        audio.read(m4a, 5)
    with pytest.raises(AudioError, match="a segment beyond its end"):
        audio.read(m4a, 1, 3)
    slow = encode(tmp_path / "slow.avi", integers(waveform, 1, 1.0, 2_000), 2_000)
    with pytest.raises(AudioError, match="sampling rate of 2000 Hz"):
        audio.read(slow)
    with pytest.raises(AudioError, match="silent"):
        audio.read(encode(tmp_path / "zero.avi", np.zeros(16_000, np.int16)))


def test_nine_channels_are_refused(tmp_path, waveform):
    path = encode(tmp_path / "a.avi", integers(waveform, 1, 0.5, 16_000, 8))
    assert audio.read(path).seconds == 0.5
    content = path.read_bytes()
    at = content.index(b"strf") + 8 + 2  # of the format chunk, as in a WAV file
    assert struct.unpack_from("<H", content, at) == (8,)
    path.write_bytes(content[:at] + struct.pack("<H", 9) + content[at + 2 :])
    with pytest.raises(AudioError, match="9 channels; expected at most 8"):
        audio.read(path)


def test_a_false_length_in_a_header_allocates_nothing(m4a, tmp_path):
    content = bytearray(m4a.read_bytes())
    at = content.index(b"mdhd") + 4 + 12  # after version, flags, and two times: rate and length
    rate, length = struct.unpack_from(">II", content, at)
    assert (rate, length) == (16_000, 32_000)
    struct.pack_into(">I", content, at + 4, 16_000 * 590)
    (tmp_path / "long.m4a").write_bytes(content)
    assert audio.read(tmp_path / "long.m4a").seconds == 2.0  # what is decoded counts


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"this is no audio, though it is called so" * 9, "not audio"),
        (lambda content: content[: len(content) // 2], "damaged|cut short"),
        (lambda content: content[:40], "damaged"),
        (lambda content: content[:12] + os.urandom(4_000), "damaged"),
        (lambda content: b"\0\0\0\x18ftypmp42" + b"#EXTM3U\nfile:///etc/passwd\n", "damaged"),
    ],
)
def test_damaged_files_are_refused_by_a_line(tmp_path, m4a, damage, message):
    path = tmp_path / "bad.mp4"
    path.write_bytes(damage(m4a.read_bytes()))
    with pytest.raises(AudioError, match=message) as refusal:
        audio.read(path)
    assert "\n" not in str(refusal.value)


def test_a_truncated_mp4_whose_header_comes_first(tmp_path, waveform):
    samples = integers(waveform, 1, 4.0, 16_000)
    path = encode(tmp_path / "a.mp4", samples, 16_000, "aac", movflags="faststart")
    whole = path.read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(AudioError, match=r"cut short|damaged"):
        audio.read(path)


def test_a_truncated_webm(tmp_path, waveform):
    path = encode(tmp_path / "a.webm", integers(waveform, 1, 4.0, 48_000), 48_000, "libopus")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(AudioError, match="cut short"):
        audio.read(path)


def test_names_of_any_encoding_do_not_matter(tmp_path, waveform):
    path = encode(tmp_path / "a.avi", integers(waveform, 1, 0.5, 16_000))
    content = path.read_bytes()
    assert b"ISFT" in content
    at = content.index(b"ISFT") + 8  # the name of the program
    path.write_bytes(content[:at] + "Ä".encode("latin-1") + content[at + 1 :])
    assert audio.read(path).seconds == 0.5


def test_a_video_without_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        for packet in [*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(AudioError, match="it contains no audio"):
        audio.read(tmp_path / "a.mp4")


def test_a_decoder_that_is_killed_refuses_its_file_alone(m4a, monkeypatch):
    expected = audio.read(m4a).waveform
    process = containers._idle[-1]
    os.kill(process.process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(audio.read, m4a)
        os.kill(process.process.pid, signal.SIGKILL)
        with pytest.raises(AudioError, match=r"its decoder crashed \(SIGKILL\): refused"):
            waiting.result()
    np.testing.assert_array_equal(audio.read(m4a).waveform, expected)


def test_a_decoder_that_hangs_is_ended(m4a, monkeypatch):
    audio.read(m4a)
    process = containers._idle[-1]
    monkeypatch.setattr(containers, "PATIENCE", 0.2)
    os.kill(process.process.pid, signal.SIGSTOP)
    with pytest.raises(AudioError, match=r"decoding took over 0.2 s: refused"):
        audio.read(m4a)
    assert process.process.poll() == -signal.SIGKILL
    monkeypatch.undo()
    assert audio.read(m4a).seconds == 2.0


def test_threads_decode_beside_one_another(tmp_path, waveform):
    paths = [
        encode(tmp_path / f"{k}.avi", integers(waveform, k, 0.2 + k / 10, 16_000)) for k in range(6)
    ]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(audio.read, paths * 3))
    assert [len(f.waveform) for f in found] == [
        round(16_000 * (0.2 + k / 10)) for k in range(6)
    ] * 3


def test_without_the_extra_one_line_names_the_package(m4a, monkeypatch, capsys):
    found = scan.main([str(m4a.parent), "-q"])
    shown = capsys.readouterr().out
    assert (found, "16,000 Hz (1)" in shown, "0 min 02 s" in shown) == (0, True, True)
    monkeypatch.setattr(containers, "installed", lambda: False)
    with pytest.raises(AudioError, match=r"needs PyAV: pip install 'wav2emo\[av\]'"):
        audio.read(m4a)
    assert scan.main([str(m4a.parent), "-q"]) == 0
    shown = capsys.readouterr().out
    assert "containers, which need pip install 'wav2emo[av]': 1 (first: a.m4a)" in shown
    assert "cannot be read" not in shown


def test_a_wav_comes_before_the_video_of_a_recording(tmp_path):
    for name in ("03a01Fa.mp4", "03a01Fa.wav", "03a01Nc.avi"):
        (tmp_path / name).touch()
    assert [u.path for u in corpora.read(tmp_path).utterances] == ["03a01Fa.wav", "03a01Nc.avi"]


def test_a_refused_container_is_named_and_the_others_go_on(tmp_path, waveform, m4a):
    from standin import StandIn

    from extract.pipeline import extract

    (tmp_path / "text.mp4").write_text("no video")
    encode(tmp_path / "b.avi", integers(waveform, 2, 0.5, 22_050), 22_050)
    found = corpora.read(tmp_path).utterances
    summary = extract(found, StandIn(), tmp_path / "c.h5")
    assert (summary.embedded, [r.utterance.path for r in summary.refused]) == (2, ["text.mp4"])
    assert extract(found[:2], StandIn(), tmp_path / "c.h5").embedded == 0
