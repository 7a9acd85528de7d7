"""Model cards: valid for the reader of the hub, for any names; controls are marked."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from classify.evaluation.run import evaluate
from classify.fairness.study import of_run
from classify.inference.model import Model
from classify.models import schema as model_schema
from classify.models import train as fit
from classify.models.card import ALL_SPEAKERS, render
from classify.options import Options
from data.errors import ModelError

ODD = "a|b <script>`x`</script> \\ *c*\n---\n{{ d }}: 'e' \"f\""


@pytest.fixture
def card(make_cache) -> dict[str, Any]:
    sex = ["female" if row < 32 else "male" for row in range(80)]
    cache = make_cache(columns={"sex": sex})
    return deepcopy(dict(fit.train(Options(head="logreg", cache=cache)).card))


def tables(text: str) -> list[list[str]]:
    """Rows of each table."""
    return [
        block.strip().splitlines() for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    ]


def well_formed(text: str) -> None:
    for rows in tables(text):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
        assert len(widths) == 1, rows
        assert re.fullmatch(r"(\|---)+\|", rows[1]), rows


def test_the_hub_reads_it(card: dict[str, Any]) -> None:
    read = ModelCard(render(card))
    assert read.data.library_name == "wav2emo"
    assert read.data.pipeline_tag == "audio-classification"
    assert read.data.tags == ["speech-emotion-recognition", "logreg", "untrained-encoder"]
    uar, accuracy = read.data.eval_results
    assert uar.metric_value == pytest.approx(card["scores"]["overall"]["uar"], abs=5e-4)
    assert accuracy.metric_value == pytest.approx(card["scores"]["overall"]["accuracy"], abs=5e-4)
    assert read.data.license is None


def test_a_card_has_all_sections_and_scores(card: dict[str, Any]) -> None:
    text = render(card)
    well_formed(text)
    for part in ("Use", "What it is", "Trained on", "Scores", "Calibration", "Limits"):
        assert f"\n## {part}\n" in text
    assert "## Not to be used for" in text
    for name in (*card["classes"], "female", "male", *(f"emodb/{n:02}" for n in range(5))):
        assert f"| {name} |" in text
    low, high = card["scores"]["overall"]["ci95"]["uar"]
    assert f"| UAR | {card['scores']['overall']['uar']:.3f} | {low:.3f} to {high:.3f} |" in text
    for count in np.array(card["scores"]["confusion"]).ravel():
        assert f" {count} |" in text


def test_a_control_is_reported_loudly_and_a_pretrained_encoder_is_not_one(
    card: dict[str, Any],
) -> None:
    assert "**This model is a control, not a recogniser.**" in render(card)
    card["recipe"] = {**card["recipe"], "control": False, "model": "facebook/wav2vec2-base"}
    text = render(card)
    assert "control" not in text
    assert ModelCard(text).data.base_model == "facebook/wav2vec2-base"


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same with other names wherever they occur."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_odd_names_break_nothing(card: dict[str, Any]) -> None:
    names = {"emodb": ODD, "anger": ODD, "female": ODD, "emodb/00": ODD, "untrained": ODD}
    text = render(renamed(card, names) | {"target": ODD})
    well_formed(text)
    assert "<script>" not in text
    assert len(tables(text)) == len(tables(render(card)))
    read = ModelCard(text)
    assert read.data.eval_results[0].dataset_name == ODD


def test_of_many_speakers_three_are_reported(card: dict[str, Any]) -> None:
    row = {"accuracy": 0.5, "utterances": 9}
    card["scores"]["speakers"] = {f"c/{n:02}": {"uar": n / 100, **row} for n in range(51)}
    assert len(card["scores"]["speakers"]) > ALL_SPEAKERS
    text = render(card)
    well_formed(text)
    found = re.findall(r"^\| c/(\d\d) \((\w+)\)", text, re.MULTILINE)
    assert found == [("00", "worst"), ("25", "median"), ("50", "best")]


def test_the_card_of_a_regression_has_its_agreement(make_cache) -> None:
    columns = {"arousal": np.random.default_rng(0).normal(3, 1, 80).tolist()}
    options = Options(head="ridge", cache=make_cache(columns=columns), target="arousal,")
    card = fit.train(options).card
    text = render(card)
    well_formed(text)
    row = card["scores"]["targets"]["arousal"]
    assert f"| arousal | {row['ccc']:.3f} |" in text
    assert "Calibration" not in text
    assert "classes" not in text
    assert ModelCard(text).data.library_name == "wav2emo"


def test_the_groups_are_those_of_the_held_out_predictions(make_cache, tmp_path: Path) -> None:
    sex = ["female" if row // 16 % 2 else "male" for row in range(160)]
    accent = ["north"] * 64 + ["south"] * 64 + ["west"] * 16 + [""] * 16
    cache = make_cache(speakers=10, columns={"sex": sex, "accent": accent})
    options = Options(head="lda", cache=cache, layer=1, C=1.0)
    model = fit.train(options)
    found = model.card["fairness"]["columns"]
    expected = of_run(evaluate(options)).as_json()["columns"]
    for name in ("sex", "accent"):
        for group, row in expected[name]["groups"].items():
            for score in ("uar", "ci95", "speakers", "support"):
                assert found[name]["groups"][group][score] == row[score]
        assert found[name]["differences"] == expected[name]["differences"]
    model.save(tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    well_formed(text)
    row = found["accent"]["groups"]["north"]
    assert f"| north | {row['uar']:.3f} | {row['ci95'][0]:.3f} to {row['ci95'][1]:.3f} |" in text
    assert "| west | too small: 1 speaker | | | | | 1 | 16 |" in text
    assert "| (unknown) | left out | | | | | | 16 |" in text
    loaded = Model.load(tmp_path / "model")
    assert loaded.card["fairness"] == model.card["fairness"]


def test_a_card_without_groups_has_the_reason(make_cache, tmp_path: Path) -> None:
    lone = [f"{row // 16}" for row in range(80)]
    for columns, reason in (
        ({}, "no column of groups of people, such as sex or age, is known"),
        ({"accent": lone}, "accent: fewer than two groups can be scored (0: 1 speaker, "),
    ):
        cache = make_cache(columns=columns)
        fit.train(Options(head="lda", cache=cache, layer=1, C=1.0)).save(tmp_path / "model")
        text = (tmp_path / "model" / "README.md").read_text()
        assert f"There is no fairness table: {reason}" in text


def test_a_card_of_an_earlier_version_has_no_groups(card: dict[str, Any], cache, tmp_path) -> None:
    fit.train(Options(head="lda", cache=cache, layer=1, C=1.0)).save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    older = json.loads(file.read_text())
    del older["fairness"]
    older["sha256"] = model_schema.seal(older)
    file.write_text(json.dumps(older))
    assert "fairness" not in Model.load(tmp_path / "model").card
    del card["fairness"]
    assert "## Fairness" not in render(card)


@pytest.mark.parametrize("name", ["scores", "choice", "robustness", "fairness", "calibration"])
def test_an_altered_report_of_training_is_refused(cache, tmp_path: Path, name: str) -> None:
    """The checksum of the card covers the fields that no prediction reads."""
    fit.train(Options(head="lda", cache=cache, layer=1, C=1.0)).save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    card = json.loads(file.read_text())
    file.write_text(json.dumps(card | {name: {"uar": 1.5}}))
    with pytest.raises(ModelError, match="altered since it was trained"):
        Model.load(tmp_path / "model")
    forged = card | {name: "0.99"}
    file.write_text(json.dumps(forged | {"sha256": model_schema.seal(forged)}))
    with pytest.raises(ModelError, match=f"{name} is .* not an object"):
        Model.load(tmp_path / "model")


def test_a_regression_has_groups_too(make_cache, tmp_path: Path) -> None:
    columns = {
        "arousal": np.random.default_rng(0).normal(3, 1, 128).tolist(),
        "sex": ["female" if row // 16 % 2 else "male" for row in range(128)],
    }
    cache = make_cache(speakers=8, columns=columns)
    model = fit.train(Options(head="ridge", cache=cache, target="arousal,"))
    model.save(tmp_path / "model")
    row = Model.load(tmp_path / "model").card["fairness"]["columns"]["sex"]["groups"]["female"]
    assert f"| female | {row['ccc']:.3f} |" in (tmp_path / "model" / "README.md").read_text()
