"""Texts of the page for predictions."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason="needs the extra [serve]")

from classify.inference.predictor import Answer
from classify.inference.serve import page
from classify.inference.serve.queue import Prediction
from classify.inference.timeline import Timeline
from data.utterance import Utterance

SAID = Utterance("0", "", Path(), "")
PEAKS = np.tile(np.float32([-0.5, 0.5]), (200, 1))


def timeline(rows: list, names: list[str], regression: bool = False) -> Timeline:
    starts = np.arange(len(rows), dtype=float)
    return Timeline(starts, starts + 1, np.array(rows, float), names, regression, PEAKS)


def test_silent_windows_are_null_for_programs() -> None:
    line = timeline([[0.25, 0.75], [np.nan, np.nan]], ["anger", "fear"])
    result = Prediction(Answer(SAID, {"anger": 0.25, "fear": 0.75}), 2.0, line).as_json()
    assert result["emotion"] == "fear"
    assert [part["probabilities"] for part in result["timeline"]] == [
        {"anger": 0.25, "fear": 0.75},
        None,
    ]


def test_a_regression_shows_numbers() -> None:
    found = Prediction(
        Answer(SAID, {}, {"arousal": -0.5}), 1.0, timeline([[-0.5]], ["arousal"], True)
    )
    assert "arousal</dt>\n    <dd>-0.50</dd>" in page.prediction(found)
    assert found.as_json()["timeline"] == [{"start": 0, "end": 1, "numbers": {"arousal": -0.5}}]


def test_a_class_may_have_any_name() -> None:
    name = "<script>alert(1)</script>"
    found = Prediction(
        Answer(SAID, {name: 0.9, "b": 0.1}), 1.0, timeline([[0.9, 0.1]], [name, "b"])
    )
    assert name not in page.prediction(found)
    assert "&lt;script&gt;" in page.prediction(found)
