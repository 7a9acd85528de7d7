"""``predict MODEL - --stream`` as real processes with real pipes and terminals."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import interrupts
import numpy as np
import pytest
import soundfile

from classify.commands import predict
from data.errors import AudioError, UsageError
from extract import audio

ROOT = Path(__file__).parents[3]
SUMMARY = re.compile(
    r"([\d.]+) s of audio, ([\d,]+) answers?, (?:\d+ windows? without voice, )?no hop skipped\n"
    r"latency: median \d+\.\d{3} s, 95th percentile \d+\.\d{3} s, largest \d+\.\d{3} s"
)


def command(model: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "classify", "predict", str(model), "-", "--stream", *options]


def start(model: Path, *options: str, **streams) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command(model, *options),
        cwd=ROOT,
        bufsize=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # even in the background
        **(pipes | streams),
    )


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def test_a_wav_file_through_a_pipe(
    model: Path, tiny_predictor, tmp_path: Path, waveform, monkeypatch, capsys
) -> None:
    sound = np.stack([waveform(1, 4.1, 48_000), waveform(2, 4.1, 48_000)], axis=1)
    file = tmp_path / "a.wav"
    soundfile.write(file, sound, 48_000, subtype="PCM_24")
    ours, theirs = os.pipe()
    with os.fdopen(ours) as stdin, os.fdopen(theirs, "wb") as pipe:
        threading.Thread(target=fed, args=(pipe, file.read_bytes()), daemon=True).start()
        monkeypatch.setattr(sys, "stdin", stdin)
        assert predict.main([str(model), "-", "--stream"]) == 0
    answers, messages = capsys.readouterr()
    lines = [json.loads(line) for line in answers.splitlines()]
    assert [line["time"] for line in lines] == [2.0, 2.5, 3.0, 3.5, 4.0]
    whole = audio.read(file).waveform
    cut = [whole[round(t * 16_000) - 32_000 : round(t * 16_000)] for t in (2, 2.5, 3, 3.5, 4)]
    for line, answer in zip(lines, tiny_predictor.waveforms(cut), strict=True):
        assert [name for name in line if name != "warnings"] == [
            "time", "voice", "level", "floor", "emotion", "probabilities", "smoothed", "skipped",
            "latency",
        ]  # fmt: skip
        assert line["probabilities"] == pytest.approx(answer.probabilities, abs=1e-4)
        assert line["emotion"] == max(line["smoothed"], key=line["smoothed"].get)
        assert line["voice"] is True
        assert line["skipped"] == 0
        assert 0 < line["latency"] < 60
    assert lines[0]["smoothed"] == lines[0]["probabilities"]
    assert "standard input: WAV, s24le, 48,000 Hz, stereo" in messages
    found = SUMMARY.search(messages)
    assert found is not None
    assert found.groups() == ("4.1", "5")


def test_ctrl_c_and_a_question_meanwhile(model: Path, waveform) -> None:
    """It leaves nothing behind that is complained about, as a resampler in a thread that reads."""
    process = start(model, "--rate", "8000")
    process.stdin.write(pcm(waveform(1, 3.2, 8_000)))
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [line["time"] for line in lines] == [2.0, 2.5, 3.0]
    messages: tuple[str, ...] = ()
    while messages[1:] != ("3",):  # it may be asked before the last line is counted
        process.send_signal(signal.SIGUSR1)
        messages = summary(process)
    assert 3.0 <= float(messages[0]) <= 3.2  # the resampler holds back a little
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert summary(process) == messages
    assert process.stderr.read() == b"interrupted\n"


def test_a_question_right_before_ctrl_c(model: Path) -> None:
    """A sample; `make torture` ends 200 streams on a busy machine."""
    assert interrupts.interrupts(model, repetitions=8) == interrupts.Outcome(ended=8)


def summary(process: subprocess.Popen) -> tuple[str, ...]:
    """Seconds and answers, of the next summary on standard error."""
    words = ""
    while (found := SUMMARY.search(words)) is None:
        line = process.stderr.readline().decode()
        assert line, words
        words += line
    return found.groups()


def test_a_closed_standard_output_ends_the_stream(model: Path, waveform) -> None:
    process = start(model, "--rate", "16000")
    threading.Thread(target=fed, args=(process.stdin, pcm(waveform(1, 30))), daemon=True).start()
    assert json.loads(process.stdout.readline())["time"] == 2.0
    process.stdout.close()
    assert process.wait(60) == 0
    assert re.search(r"\d s of audio, .* answers?, .*\nlatency", process.stderr.read().decode())


def fed(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.write(data)
        pipe.close()


def test_a_live_line_on_a_terminal(model: Path, waveform, monkeypatch) -> None:
    ours, theirs = pty.openpty()
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb") as pipe:
        threading.Thread(target=fed, args=(pipe, waveform(1, 2.1).tobytes()), daemon=True).start()
        with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", terminal)
            assert predict.main([str(model), "-", "--stream", "--encoding", "f32le", "--live"]) == 0
            terminal.flush()
            line = os.read(ours, 4096).decode()
    os.close(ours)
    assert re.fullmatch(
        r"\r    2\.0 s  (anger|sadness)\s+[█·]{10} 0\.\d\d  (anger|sadness)\s+0\.\d\d  "
        r"voice     \d+\.\d\d s\x1b\[K\r\n",
        line,
    ), line


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (0.0, "ended before there was any audio"),
        (0.5, "0.50 s of audio were received, less than a window"),
    ],
)
def test_less_than_a_window(
    model: Path, waveform, monkeypatch, tmp_path: Path, seconds: float, message: str
) -> None:
    (tmp_path / "short").write_bytes(pcm(waveform(1, seconds)))
    with (tmp_path / "short").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        with pytest.raises(AudioError, match=message):
            predict.main([str(model), "-", "--stream", "--rate", "16000"])


def test_a_terminal_is_no_audio(tmp_path: Path, monkeypatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(UsageError, match=r"is a terminal, expected audio .*: arecord"):
            predict.main([str(tmp_path), "-", "--stream"])
    os.close(ours)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav"], "expected - or mic, got a.wav; of a file: ffmpeg"),
        (["-", "mic"], "expected - or mic, got - mic"),
        (["-", "--csv"], "JSON lines"),
        (["-", "--hop", "3"], "--hop 3"),
        (["mic", "--encoding", "u8"], "for standard input"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        predict.main(["model", *arguments, "--stream"])


SOUNDDEVICE = '''
import numpy as np

class PortAudioError(Exception):
    """As in sounddevice."""

def query_devices(device=None, kind=None):
    if device not in (None, 3, "USB"):
        raise ValueError(f"No {kind} device matching {device!r}")
    return {"name": "stand-in", "default_samplerate": 48000.0}

class InputStream:
    def __init__(self, samplerate, device, channels, dtype):
        assert (samplerate, channels, dtype) == (48000, 1, "float32")
        self.random, self.blocks = np.random.default_rng(0), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, frames):
        self.blocks += 1
        if self.blocks * frames > 5 * 48000:
            raise PortAudioError("unplugged")
        loud = 0.1 if self.blocks % 20 < 10 else 0.001
        return loud * self.random.standard_normal((frames, 1), np.float32), self.blocks == 9
'''


@pytest.mark.parametrize(
    ("stand_in", "name", "message"),
    [
        ("raise ImportError", "mic", r"pip install 'wav2emo\[mic\]'"),
        ("raise OSError('PortAudio library not found')", "mic", "apt install libportaudio2"),
        (SOUNDDEVICE, "mic:4", "no microphone '4': No input device matching 4; .*-m sounddevice"),
    ],
)
def test_no_microphone(tmp_path: Path, monkeypatch, stand_in: str, name: str, message: str) -> None:
    (tmp_path / "sounddevice.py").write_text(stand_in)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises((UsageError, AudioError), match=message):
        predict.main(["model", name, "--stream"])
    sys.modules.pop("sounddevice", None)


def test_a_microphone_that_is_unplugged(model: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "sounddevice.py").write_text(SOUNDDEVICE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(AudioError, match="the microphone was disconnected: unplugged"):
        predict.main([str(model), "mic:USB", "--stream"])
    sys.modules.pop("sounddevice", None)
    answers, messages = capsys.readouterr()
    assert "samples lost 1 time by the microphone" in messages
    lines = [json.loads(line) for line in answers.splitlines()]
    assert lines
    assert sum(line["skipped"] + 1 for line in lines) in (6, 7)  # the resampler holds back a little


@pytest.mark.parametrize(
    ("minutes", "pace", "gaps"),
    [
        (0.1, "1", []),
        pytest.param(0.5, "4", ["--gaps"], marks=pytest.mark.torture),
        pytest.param(10, "1", [], marks=[pytest.mark.e2e, pytest.mark.timeout(1200)]),
        pytest.param(10, "0.5", ["--gaps"], marks=[pytest.mark.e2e, pytest.mark.timeout(2400)]),
        pytest.param(10, "2", ["--gaps"], marks=[pytest.mark.e2e, pytest.mark.timeout(2400)]),
    ],
)
def test_fed_at_a_pace(model: Path, tmp_path: Path, minutes: float, pace: str, gaps) -> None:
    """Every hop has its answer or is counted as skipped, and time is that of the samples."""
    report = tmp_path / "report.json"
    bench = [sys.executable, "benchmarks/bench_stream.py", str(model), "--json", str(report)]
    messages = ["--minutes", str(minutes), "--pace", pace, *gaps]
    subprocess.run([*bench, *messages], check=True, cwd=ROOT, capture_output=True)
    found = json.loads(report.read_text())
    hops = int((found["seconds"] - 2) // 0.5) + 1
    assert found["status"] == 0
    assert found["answers"] + found["skipped"] == hops
    assert found["times"][-1] == 2 + (hops - 1) / 2
    assert set(found["times"]) <= {2 + number / 2 for number in range(hops)}
    assert found["memory_end"] < found["memory_start"] + 50  # MB
    if float(pace) > 1:
        assert found["skipped"] == 0
