"""Voice activity, on constructed signals and on real speech."""

import numpy as np
import pytest

from classify.inference.stream.voice import Activity, VoiceActivity
from classify.inference.stream.windows import Window
from extract import audio
from extract.activity import frame_levels, level

RATE = 16_000


def activities(samples: np.ndarray, hop: float = 0.5) -> list[Activity]:
    voice, window = VoiceActivity(), 2 * RATE
    ends = range(window, len(samples) + 1, round(hop * RATE))
    return [voice(Window(samples[end - window : end], end, 0.0, 0)) for end in ends]


def noise(seconds: float, decibels: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (10 ** (decibels / 20) * samples).astype(np.float32)


def test_levels_are_decibels_of_full_scale() -> None:
    sine = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert level(sine) == pytest.approx(10 * np.log10(0.5), abs=1e-3)
    np.testing.assert_allclose(frame_levels(sine / 10), 10 * np.log10(0.005), atol=1e-3)
    assert level(np.zeros(100)) == -100


@pytest.mark.parametrize("decibels", [-100, -70, -50, -30, -10])
def test_a_steady_noise_is_no_voice(decibels: float) -> None:
    assert not any(one.voice for one in activities(noise(20, decibels)))


def test_digital_silence_is_no_voice_and_no_floor() -> None:
    silence = np.zeros(6 * RATE, np.float32)
    found = activities(np.concatenate([silence, noise(6, -50)]))
    assert not any(one.voice for one in found)
    assert found[0].floor == -100
    assert found[-1].floor == pytest.approx(-50, abs=1)


def test_bursts_above_the_noise_are_voice_until_they_end() -> None:
    samples = noise(12, -60)
    burst = np.arange(len(samples)) / RATE % 0.5 < 0.3
    burst &= (np.arange(len(samples)) >= 4 * RATE) & (np.arange(len(samples)) < 8 * RATE)
    samples[burst] += noise(12, -25, seed=1)[burst]
    found = {2 + 0.5 * number: one for number, one in enumerate(activities(samples))}
    assert not any(found[time].voice for time in (2.0, 3.0, 4.0, 10.0, 11.0, 12.0))
    assert all(found[time].voice for time in (5.0, 6.0, 7.0, 8.0, 9.0))


def test_the_floor_follows_a_noise_that_comes_and_goes() -> None:
    samples = np.concatenate([noise(12, -70), noise(14, -35), noise(6, -70)])
    found = {2 + 0.5 * number: one for number, one in enumerate(activities(samples))}
    assert found[12.0].floor == pytest.approx(-70, abs=1.5)
    assert found[14.0].voice  # louder than all that was
    assert not found[22.0].voice
    assert found[22.0].floor == pytest.approx(-35, abs=1.5)
    assert found[28.0].floor == pytest.approx(-70, abs=1.5)


def test_skipped_hops_leave_it_sound() -> None:
    samples = np.concatenate([noise(6, -60), noise(3, -20), noise(6, -60)])
    found = activities(samples, hop=1.5)  # ends 2, 3.5, 5, 6.5, 8, 9.5, 11, 12.5, 14
    assert [one.voice for one in found] == [False, False, False, True, True, True, False] + (
        [False] * 2
    )


def test_real_speech_is_voice(speech) -> None:
    files = sorted((speech / "emodb" / "wav").glob("*.wav"))[::50]
    sentences = np.concatenate([audio.read(file).waveform for file in files])
    found = activities(np.concatenate([sentences, noise(6, -60)]))
    during = (len(sentences) - 2 * RATE) // (RATE // 2) + 1
    assert np.mean([one.voice for one in found[:during]]) > 0.9
    assert not any(one.voice for one in found[-4:])
