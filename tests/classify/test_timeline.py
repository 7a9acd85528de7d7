"""Windows over long recordings, and timelines."""

import csv
import io
import math
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from classify.commands.predict import main as predict
from classify.inference.model import Model
from classify.inference.predictor import Answer
from classify.inference.timeline import Segment, Timeline, as_csv, as_rttm, clock
from classify.inference.timeline_figure import _coarse, draw
from classify.report.style import as_bytes
from data.errors import AudioError, UsageError
from data.utterance import Utterance
from extract import audio
from extract.sliding import SHORTEST_HOP, Sliding, Track, cut

NAN = math.nan


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return Model.load(tiny_model)


@given(
    sizes=st.lists(st.integers(0, 40), max_size=8),
    window=st.integers(1, 30),
    share=st.floats(0.01, 1),
)
def test_windows_are_slices_that_leave_nothing_out(sizes, window, share) -> None:
    hop = max(1, round(share * window))
    samples = np.arange(sum(sizes), dtype=np.float32)
    blocks = np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []
    found = list(cut(blocks, window, hop))
    for first, part in found:
        np.testing.assert_array_equal(part, samples[first : first + window])
        assert len(part) == min(window, len(samples))
    starts = [first for first, _ in found]
    assert starts[:-1] == [number * hop for number in range(len(starts) - 1)]
    assert all(0 < after - before <= hop for before, after in pairwise(starts))
    assert bool(found) == bool(len(samples))
    if found:
        assert starts[0] == 0
        assert starts[-1] + len(found[-1][1]) == len(samples)


def test_cutting_holds_no_more_than_a_window_and_a_block() -> None:
    """Memory of Python and NumPy for a recording of an hour."""
    blocks = (np.zeros(1 << 16, np.float32) for _ in range(880))
    tracemalloc.start()
    count = sum(1 for _ in cut(blocks, window=48_000, hop=16_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 3500
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("window", "hop", "message"),
    [
        (0, None, "a window of 0 s: expected 0.1 to 600 s"),
        (-3, None, "a window of -3 s"),
        (NAN, None, "a window of nan s"),
        (601, None, "a window of 601 s"),
        (3, 0, "a hop of 0 s: expected 0.02 s"),
        (3, 1e-4, "a hop of 0.0001 s"),
        (3, 3.1, "no audio is skipped"),
        (3, NAN, "a hop of nan s"),
    ],
)
def test_windows_that_make_no_sense_are_refused(window, hop, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Sliding(window, hop)


def test_a_hop_is_a_third_of_a_window() -> None:
    assert Sliding(3).step == 1
    assert Sliding(1, SHORTEST_HOP).step == SHORTEST_HOP


def write(file: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    soundfile.write(file, samples, rate, subtype="FLOAT")
    return file


@pytest.mark.parametrize("rate", [16_000, 22_050, 8_000])
def test_a_decoded_stream_equals_a_file_read_at_once(tmp_path: Path, waveform, rate: int) -> None:
    file = write(tmp_path / "a.wav", waveform(0, 11.3, rate), rate)
    streamed = np.concatenate(list(audio.stream(file)))
    np.testing.assert_array_equal(streamed, audio.read(file).waveform)
    part = np.concatenate(list(audio.stream(file, 1.5, 7.25)))
    np.testing.assert_array_equal(part, audio.read(file, 1.5, 7.25).waveform)


def test_a_window_equals_a_file_of_its_samples(tmp_path, model, waveform) -> None:
    samples = waveform(1, 7.7)
    timeline = model.timeline(write(tmp_path / "long.wav", samples), window=2, hop=0.7)
    assert timeline.starts[:3].tolist() == [0, 0.7, 1.4]
    assert timeline.ends[-1] == 7.7
    np.testing.assert_allclose(timeline.ends - timeline.starts, 2)
    edges = np.round(np.stack([timeline.starts, timeline.ends], 1) * 16_000).astype(int)
    alone = [
        write(tmp_path / f"{number}.wav", samples[first:last])
        for number, (first, last) in enumerate(edges)
    ]
    expected = [list(answer.probabilities.values()) for answer in model.predict(alone)]
    np.testing.assert_allclose(timeline.probabilities, expected, atol=1e-5)
    in_memory = model.timeline(samples, window=2, hop=0.7)
    np.testing.assert_allclose(in_memory.probabilities, expected, atol=1e-5)


def test_silence_is_reported_and_not_classified(tmp_path: Path, model, waveform) -> None:
    quiet = 1e-4 * waveform(1, 3)  # noise of a recorder, 90 dB below full scale
    samples = np.concatenate([waveform(0, 2), quiet, waveform(2, 2)])
    timeline = model.timeline(write(tmp_path / "a.wav", samples), window=1, hop=1)
    assert timeline.silent.tolist() == [False] * 2 + [True] * 3 + [False] * 2
    assert set(timeline.emotions[2:5]) == {"silence"}
    assert [s.emotion for s in timeline.segments()].count("silence") == 1
    np.testing.assert_allclose(timeline.probabilities[~timeline.silent].sum(1), 1)
    assert model.timeline(np.zeros(80_000), window=1).silent.all()


def test_a_recording_shorter_than_a_window_is_one(model, waveform) -> None:
    timeline = model.timeline(waveform(0, 0.5), window=3)
    assert (timeline.starts.tolist(), timeline.ends.tolist()) == ([0], [0.5])
    with pytest.raises(AudioError, match=r"0\.010 s is too short"):
        model.timeline(waveform(0, 0.01), window=3)


def test_a_refused_recording_is_named(tmp_path: Path, model, waveform) -> None:
    samples = waveform(0, 30)
    samples[-5] = NAN
    with pytest.raises(AudioError, match=r"late\.wav: its samples contain NaN"):
        model.timeline(write(tmp_path / "late.wav", samples))
    with pytest.raises(AudioError, match=r"gone\.wav: No such file"):
        model.timeline(tmp_path / "gone.wav")


def test_peaks_are_of_the_waveform(waveform) -> None:
    samples = waveform(3, 2.5)
    track = Track(Utterance("-", "", Path(), ""), np.split(samples, [7, 1000, 20_000]))
    assert len(list(track._read())) == 4
    tens = samples.reshape(-1, 160)
    np.testing.assert_array_equal(track.peaks, np.stack([tens.min(1), tens.max(1)], 1))


@pytest.fixture
def timeline() -> Timeline:
    """Windows of 3 s every second, the last one pushed back to the end at 7.5 s."""
    starts = np.array([0, 1, 2, 3, 4, 4.5])
    shares = [[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [NAN, NAN], [NAN, NAN], [0.7, 0.3]]
    return Timeline(starts, starts + 3, np.array(shares), ("anger", "joy of life"))


def test_segments_merge_neighbours_and_leave_no_gap(timeline: Timeline) -> None:
    assert timeline.bounds.tolist() == [0, 2, 3, 4, 5, 5.75, 7.5]
    first, second, third, last = timeline.segments()
    assert first == Segment(0, 3, "anger", pytest.approx(0.7))
    assert second == Segment(3, 4, "joy of life", 0.9)
    assert (third.start, third.end, third.emotion) == (4, 5.75, "silence")
    assert math.isnan(third.probability)
    assert last == Segment(5.75, 7.5, "anger", 0.7)


def test_rttm_has_ten_fields_a_line(timeline: Timeline) -> None:
    lines = [line.split() for line in as_rttm(timeline, "a call").splitlines()]
    assert {len(line) for line in lines} == {10}
    assert " ".join(lines[0]) == "SPEAKER a_call 1 0.000 3.000 <NA> <NA> anger 0.700 <NA>"
    assert [line[7] for line in lines] == ["anger", "joy_of_life", "silence", "anger"]
    assert lines[2][8] == "<NA>"
    ends = [float(line[3]) + float(line[4]) for line in lines]
    assert ends[:-1] == [float(line[3]) for line in lines[1:]]


def test_csv_has_a_line_per_window(timeline: Timeline) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(timeline))))
    assert list(rows[0]) == ["start", "end", "emotion", "anger", "joy of life"]
    assert rows[3]["emotion"] == "silence"
    assert rows[3]["anger"] == ""
    assert float(rows[5]["start"]) == 4.5
    assert float(rows[2]["joy of life"]) == 0.9


def test_a_figure_shows_the_whole_recording_twice(timeline: Timeline, waveform) -> None:
    samples = waveform(0, 7.5)
    figure = draw(replace(timeline, peaks=np.stack([samples, samples], axis=1)))
    above, below = figure.axes
    assert above.get_xlim() == below.get_xlim() == (0, 7.5)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["anger", "joy of life", "silence"]
    assert len(below.collections) == 2  # an area per class
    assert as_bytes(figure).startswith(b"\x89PNG")


def test_a_long_recording_is_drawn_in_means() -> None:
    """A thousand windows, of which the middle is silent: each column is the mean of some."""
    random = np.random.default_rng(0)
    shares = random.dirichlet((3, 1), 1000)
    shares[400:600] = NAN
    starts = np.arange(1000.0)
    long = Timeline(starts, starts + 3, shares, ("anger", "joy"))
    coarse = _coarse(long)
    assert len(coarse.starts) == 300
    assert (coarse.starts[0], coarse.ends[-1]) == (0, 1002)
    np.testing.assert_allclose(coarse.probabilities[:3, 0], [
        shares[:3, 0].mean(), shares[3:6, 0].mean(), shares[6:10, 0].mean()
    ])  # fmt: skip
    np.testing.assert_allclose(coarse.probabilities[~coarse.silent].sum(1), 1)
    assert 58 <= coarse.silent.sum() <= 60
    assert draw(long).axes[1].get_xlim() == (0, 1002)


def test_numbers_are_lines_without_segments() -> None:
    starts = np.arange(4.0)
    values = np.array([[3.0, 1], [3.5, 2], [NAN, NAN], [4, 2]])
    timeline = Timeline(starts, starts + 1, values, ("arousal", "valence"), regression=True)
    assert timeline.segments() == []
    assert "emotion" not in as_csv(timeline)
    assert len(draw(timeline).axes[1].lines) == 2


def test_the_clock() -> None:
    assert [clock(s) for s in (0, 59.9996, 600, 10_800.25)] == [
        "0:00", "1:00", "10:00", "3:00:00.25"
    ]  # fmt: skip


def test_timelines_in_files(tmp_path: Path, tiny_model: Path, waveform, capsys) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "call.wav", waveform(0, 4))
    (tmp_path / "one" / "broken.wav").write_text("RIFF")
    out = tmp_path / "timelines"
    calls = [str(tmp_path / "one"), str(tmp_path / "other")]
    command = [str(tiny_model), *calls, "--window", "2", "--out", str(out), "-q"]
    assert predict(command) == 3
    printed, problems = capsys.readouterr()
    assert problems.count("\n") == 1
    assert "broken.wav" in problems
    names = {f"{stem}.{kind}" for stem in ("call", "call-2") for kind in ("csv", "png", "rttm")}
    assert {file.name for file in out.iterdir()} == names
    assert (out / "call.csv").read_text() == (out / "call-2.csv").read_text()
    assert "0:00–" in printed
    rows = list(csv.DictReader((out / "call.csv").open()))
    assert predict([*command, "--csv"]) == 3
    shown = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [float(row["anger"]) for row in shown] == [float(row["anger"]) for row in rows] * 2


def test_answers_and_timeline_agree(model, waveform) -> None:
    samples = np.concatenate([waveform(0, 1), np.zeros(16_000, np.float32), waveform(1, 1)])
    timeline = model.timeline(samples, window=1, hop=1)
    track = Track(Utterance("-", "", Path(), ""), [samples])
    answers = [answer for _, answer in model.predictor().windows([track], Sliding(1, 1))]
    assert all(isinstance(answer, Answer) for answer in answers)
    assert [answer.emotion for answer in answers] == timeline.emotions
    assert answers[1].result == {"emotion": "silence", "probabilities": None}


def peak(*arguments) -> int:
    """Kilobytes that a prediction has held at most."""
    command = [sys.executable, "-m", "classify", "predict", *map(str, arguments)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0
    return used.ru_maxrss


@pytest.mark.e2e
def test_three_hours_take_no_more_memory_than_ten_minutes(tmp_path, tiny_model, waveform) -> None:
    minute, used = waveform(0, 60), {}
    for minutes in (10, 180):
        file = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(file, "w", 16_000, 1, "PCM_16") as sound:
            for _ in range(minutes):
                sound.write(minute)
        used[minutes] = peak(tiny_model, file, "--jsonl", "--window", "3", "--hop", "2")
    waveform_kilobytes = 4 * 16_000 * 60 * 180 // 1024
    assert used[180] - used[10] < waveform_kilobytes / 5
