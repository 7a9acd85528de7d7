"""Prediction by the Python interface."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

import classify
from classify.inference.model import Model
from data.errors import UsageError


@pytest.fixture
def model(tiny_model: Path) -> Model:
    return Model.load(str(tiny_model))


def test_python_mixes_files_and_arrays(tmp_path: Path, model: Model, waveform) -> None:
    samples = waveform(5, 0.6)
    file = tmp_path / "a.wav"
    soundfile.write(file, samples, 16_000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("hello")
    results = model.predict(
        [file, samples, tmp_path / "text.wav", str(file), samples.astype(float), samples[:99]]
    )
    assert [result.refused for result in results] == [False, False, True, False, False, True]
    assert all(isinstance(results[n], classify.Refusal) for n in (2, 5))
    assert "not audio" in results[2].reason
    first = results[0]
    assert isinstance(first, classify.Answer)
    assert first.place == {"file": str(file)}
    assert results[1].place == {"file": "1"}
    for n in (1, 3, 4):
        np.testing.assert_allclose(
            list(results[n].probabilities.values()), list(first.probabilities.values()), atol=1e-5
        )


def test_python_resamples_arrays_as_files(tmp_path: Path, model: Model, waveform) -> None:
    samples = waveform(5, 1.1, 44_100)
    soundfile.write(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT")
    file, array = (
        model.predict([recording], rate=44_100)[0] for recording in (tmp_path / "a.wav", samples)
    )
    assert array.probabilities == pytest.approx(file.probabilities, abs=1e-5)


@pytest.mark.parametrize(
    ("array", "rate", "message"),
    [
        (np.zeros((2, 9000)), 16_000, r"shape \(2, 9000\).*average its channels"),
        (np.ones(9000, np.int16), 16_000, "divide 16-bit samples by 32768"),
        (np.ones(9000), 100, "a rate of 100 Hz"),
        (np.zeros(9000), 16_000, "silent"),
        (np.full(9000, np.nan), 16_000, "NaN"),
        (np.ones(601 * 16_000, np.float32), 16_000, "longer than the 600 s"),
    ],
)
def test_python_refuses_other_arrays(model: Model, array, rate: int, message: str) -> None:
    (result,) = model.predict([array], rate)
    assert result.refused
    assert re.search(message, result.reason)


def test_python_takes_lists(model: Model) -> None:
    for single in ("a.wav", Path("a.wav"), np.zeros(16_000)):
        with pytest.raises(UsageError, match="takes a list"):
            model.predict(single)
    assert model.predict([]) == []


def test_the_encoder_is_loaded_once_and_not_pickled(model: Model, waveform) -> None:
    before = model.predict([waveform(0, 0.5)])
    assert model.predictor() is model.predictor()
    copy = pickle.loads(pickle.dumps(model))
    assert "_predictors" not in vars(copy)
    assert copy.predict([waveform(0, 0.5)])[0].probabilities == pytest.approx(
        before[0].probabilities, abs=1e-6
    )


def test_threads_share_a_model(model: Model, waveform) -> None:
    waveforms = [waveform(seed, 0.3 + seed / 10) for seed in range(6)]
    expected = [answer.probabilities for answer in model.predict(waveforms)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: model.predict([one])[0].probabilities, waveforms * 2))
    for one, other in zip(found, expected * 2, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_python_makes_timelines(model: Model, waveform) -> None:
    timeline = model.timeline(waveform(0, 2), window=1, hop=0.5)
    assert isinstance(timeline, classify.Timeline)
    assert timeline.probabilities.shape == (3, 2)
