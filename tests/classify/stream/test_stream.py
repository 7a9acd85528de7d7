"""The loop from a source to predictions."""

import itertools
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from classify.inference.predictor import Answer
from classify.inference.stream.display import Summary
from classify.inference.stream.loop import Stream
from classify.inference.stream.options import StreamOptions
from data.errors import AudioError, UsageError
from data.utterance import Utterance
from extract.audio import Waveform
from extract.decoding import Refusal

UTTERANCE = Utterance("0", "", Path(), "")


class Standing:
    """A stand-in for a predictor, which returns the mean of a window after a delay."""

    def __init__(self, delay: float = 0) -> None:
        self.delay = delay
        self.asked = 0

    def waveform(self, waveform: Waveform) -> Answer | Refusal:
        time.sleep(self.delay)
        self.asked += 1
        if not waveform.any():
            return Refusal(UTTERANCE, "silent")
        return Answer(UTTERANCE, {"mean": float(waveform.mean())})


@pytest.mark.parametrize("hop", [0.5, 0.33])
def test_predictions_equal_those_for_windows_cut_by_hand(
    tiny_predictor, waveform, ready, hop
) -> None:
    samples = waveform(3, 6.2)
    options = StreamOptions(hop=hop, half_life=0)
    moments = list(Stream(tiny_predictor, ready(np.array_split(samples, 77)), options))
    window, hop_samples = 32_000, round(hop * 16_000)
    ends = range(window, len(samples) + 1, hop_samples)
    assert [moment.time for moment in moments] == [end / 16_000 for end in ends]
    expected = tiny_predictor.waveforms([samples[end - window : end] for end in ends])
    for moment, answer in zip(moments, expected, strict=True):
        assert moment.values == moment.smoothed == pytest.approx(answer.probabilities, abs=1e-5)
        assert moment.activity.voice
        assert moment.skipped == 0


def test_ten_minutes_in_bounded_memory_and_without_drift(ready) -> None:
    seconds = 600
    block = np.full(4_000, 0.1, np.float32)
    blocks = itertools.repeat(block, seconds * 4)
    stream = Stream(Standing(), ready(blocks), StreamOptions(voice_only=False))
    summary = Summary()
    tracemalloc.start()
    for number, moment in enumerate(stream):
        assert moment.time == 2 + number / 2
        summary.add(moment, moment.latency)
        if number == 100:
            early, _ = tracemalloc.get_traced_memory()
    late, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stream.seconds == seconds
    assert summary.moments == 2 * seconds - 3
    assert summary.skipped == 0
    assert late < early + 100_000  # bytes; the samples have 38e6
    assert peak < 5e6


def test_a_live_stream_skips_when_behind_and_keeps_time(ready) -> None:
    count = 400
    blocks = np.split(np.linspace(0.1, 1, count * 1_600, dtype=np.float32), count)
    options = StreamOptions(window=0.5, hop=0.1, live=True, voice_only=False, half_life=0)
    standing = Standing(delay=0.02)
    moments = list(Stream(standing, ready(blocks, delay=0.001), options))
    skipped = sum(moment.skipped for moment in moments)
    assert skipped > 0
    assert len(moments) + skipped == count - 4
    assert moments[-1].time == count / 10
    before = 0.4
    for moment in moments:
        assert moment.time == pytest.approx(before + (moment.skipped + 1) / 10)
        first, last = round(moment.time * 10) - 5, round(moment.time * 10)
        assert moment.values == pytest.approx(
            {"mean": np.concatenate(blocks[first:last]).mean()}, rel=1e-5
        )
        before = moment.time


def test_a_source_that_can_wait_loses_nothing_to_a_slow_encoder(ready) -> None:
    blocks = np.full((40, 1_600), 0.1, np.float32)
    options = StreamOptions(window=0.5, hop=0.1, voice_only=False)
    moments = list(Stream(Standing(delay=0.01), ready(blocks), options))
    assert [round(moment.time * 10) for moment in moments] == list(range(5, 41))
    assert not any(moment.skipped for moment in moments)


def test_without_voice_the_encoder_rests_and_the_answer_is_held_then_forgotten(ready) -> None:
    rng = np.random.default_rng(0)
    speech = 0.1 * rng.standard_normal(64_000)
    speech[np.arange(64_000) % 8_000 < 4_000] *= 0.01
    samples = np.concatenate([speech + 0.01, np.zeros(160_000)]).astype(np.float32)
    standing = Standing()
    moments = list(Stream(standing, ready(np.split(samples, 100)), StreamOptions(half_life=1.0)))
    spoken = [moment for moment in moments if moment.activity.voice]
    silent = moments[len(spoken) :]
    assert not any(moment.activity.voice for moment in silent)
    assert standing.asked == len(spoken)
    assert all(moment.values is None and moment.refused is None for moment in silent)
    for moment in silent:
        held = moment.time - spoken[-1].time <= 5
        assert moment.smoothed == (pytest.approx(spoken[-1].smoothed) if held else None)


def test_windows_that_the_encoder_refuses_are_reported(ready) -> None:
    options = StreamOptions(voice_only=False)
    moments = list(Stream(Standing(), ready([np.zeros(40_000, np.float32)]), options))
    assert [moment.refused for moment in moments] == ["silent", "silent"]
    assert moments[0].values is moments[0].smoothed is None


def test_an_error_of_the_source_reaches_the_loop(ready) -> None:
    source = ready(np.full((5, 8_000), 0.1, np.float32), error=AudioError("gone"))
    moments = iter(Stream(Standing(), source, StreamOptions(voice_only=False)))
    assert [next(moments).time, next(moments).time] == [2.0, 2.5]
    with pytest.raises(AudioError, match="gone"):
        next(moments)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_have_to_be_finite(ready, value: float) -> None:
    source = ready([np.full(40_000, 0.1, np.float32), np.array([value], np.float32)])
    with pytest.raises(AudioError, match=r"NaN or infinity among the samples after 2\.50 s"):
        list(Stream(Standing(), source, StreamOptions(voice_only=False)))


def test_leaving_the_loop_ends_the_reading(ready) -> None:
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield np.full(8_000, 0.1, np.float32)

    for _ in Stream(Standing(), ready(endless()), StreamOptions(voice_only=False)):
        break
    before = read
    time.sleep(0.05)
    assert read == before < 20


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hop": 3.0}, "hop of 0.1 s up to the window"),
        ({"hop": 0.01}, "--hop 0.01"),
        ({"window": 90.0}, "at most 60 s"),
        ({"hop": float("nan")}, "--hop nan"),
        ({"half_life": -1.0}, "--half-life -1"),
    ],
)
def test_options_are_verified(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        StreamOptions(**wrong)
