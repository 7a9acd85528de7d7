"""Tables, pages and JSON name precision and engine beside the encoder of every score."""

import json
import re
from pathlib import Path

import pytest

from classify.commands.compare import main as compare
from classify.commands.evaluate import main as evaluate
from classify.commands.probe import main as probe
from classify.commands.train import main as train
from data.commands.info import main as info

WORDS = "untrained control, bfloat16 by torch"  # as the recipe of tests/classify/conftest.py
PARTS = {"encoder": "untrained control", "engine": "torch", "precision": "bfloat16"}


@pytest.fixture
def rated(make_cache) -> Path:
    return make_cache(columns={"arousal": [row * 0.1 for row in range(80)]})


@pytest.mark.parametrize(
    ("command", "options", "page", "result"),
    [
        (evaluate, ["--head", "ridge"], "report.html", "metrics.json"),
        (evaluate, ["--head", "ridge", "--target", "arousal"], "report.html", "metrics.json"),
        (compare, ["--heads", "ridge,lda"], "report.html", "compare.json"),
        (probe, ["--head", "lda", "--quick"], "report.html", "probe.json"),
    ],
    ids=["classes", "numbers", "compare", "probe"],
)
def test_beside_the_scores_of(rated, tmp_path, capsys, command, options, page, result) -> None:
    out = tmp_path / "run"
    assert command([*options, "--cache", str(rated), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    line = next(row for row in lines if row.startswith("encoder"))
    assert WORDS in line
    html = (out / page).read_text()
    assert f"{WORDS}</title>" in html
    assert f"{WORDS}</h1>" in html
    found = json.loads((out / result).read_text())
    assert {name: found[name] for name in PARTS} == PARTS


def test_beside_a_control_of_another_precision(make_cache, tmp_path, capsys) -> None:
    cache = make_cache()
    argv = ["--cache", str(cache), "--control", str(cache), "--head", "lda", "--shuffles", "0"]
    assert probe([*argv, "--targets", "emotion", "--out", str(tmp_path / "run")]) == 0
    assert re.search(rf"{re.escape(WORDS)} .* same 80 utterances", capsys.readouterr().out)
    found = json.loads((tmp_path / "run" / "probe.json").read_text())
    control = found["targets"]["emotion"]["controls"]["control"]
    assert {name: control[name] for name in PARTS} == PARTS
    assert f"<th>{WORDS}</th>" in (tmp_path / "run" / "report.html").read_text()


def test_beside_the_scores_of_a_model(cache, tmp_path, capsys) -> None:
    assert train(["--cache", str(cache), "--head", "ridge", "-o", str(tmp_path / "model")]) == 0
    assert WORDS in capsys.readouterr().out
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"\n# ridge on {WORDS}\n" in card
    assert f'name: "ridge on {WORDS}"' in card
    assert f"| encoder | {WORDS}, " in card


def test_first_in_data_info(cache, capsys) -> None:
    assert info([str(cache)]) == 0
    assert capsys.readouterr().out.splitlines()[1].strip() == WORDS
