"""Commands score test parts alone, and their reports have the leaks of given folds on top."""

import csv
import json
import re

import numpy as np
import pytest

from classify.commands.compare import main as compare
from classify.commands.evaluate import main as evaluate
from classify.commands.probe import main as probe
from classify.commands.train import main as train
from data.cache import Cache
from data.errors import Wav2emoError


def test_commands_score_test_parts_alone(cache, official, tmp_path, capsys) -> None:
    args = ["--cache", str(cache), "--folds", str(official), "-q"]
    tested = {row["id"] for row in csv.DictReader(official.open()) if row["part"] == "test"}
    run, compared, probed = (tmp_path / name for name in ("run", "compared", "probed"))
    assert evaluate([*args, "--head", "logreg", "--out", str(run)]) == 0
    assert compare([*args, "--heads", "logreg,knn", "--out", str(compared)]) == 0
    assert probe([*args, "--quick", "--out", str(probed)]) == 0
    for folder in (run, compared, probed):
        rows = list(csv.DictReader((folder / "predictions.csv").open()))
        assert {row["id"] for row in rows} == tested
        assert {row["fold"] for row in rows} == {"0"}
    found = json.loads((run / "metrics.json").read_text())
    assert (found["utterances"], np.sum(found["confusion"])) == (16, 16)
    assert found["fold_audit"]["folds"][0]["training"] == 48
    assert not found["fold_audit"]["leaks"]
    found = json.loads((compared / "compare.json").read_text())
    assert found["units"] == {"what": "speakers", "count": 1}
    assert {np.sum(row["confusion"]) for row in found["heads"]} == {16}
    found = json.loads((probed / "probe.json").read_text())["targets"]["emotion"]
    assert (found["utterances"], found["support"]["anger"]) == (16, 4)
    assert found["layers"][0]["per_speaker"].keys() == {"emodb/04"}
    assert "leak  " not in capsys.readouterr().out


def test_a_leak_is_on_top_of_every_report(cache, leaking, tmp_path, capsys) -> None:
    args = ["--cache", str(cache), "--folds", str(leaking), "-q"]
    words = "5 of 5 test speakers are also in training (3 of 3 folds)"
    for number, (command, more) in enumerate([
        (evaluate, ["--head", "logreg"]), (compare, ["--heads", "logreg,knn"]), (probe, ["--quick"])
    ]):  # fmt: skip
        out = tmp_path / str(number)
        assert command([*args, *more, "--out", str(out)]) == 0
        assert re.search(rf"(?m)^leak +{re.escape(words)}$", capsys.readouterr().out)
        page = (out / "report.html").read_text()
        warning, table, figure = (page.index(text) for text in (
            f"The folds leak: {words}", '<h2 id="audit-of-the-folds">', "<figure>"
        ))  # fmt: skip
        assert warning < table < figure
    model = tmp_path / "model"
    assert train([*args, "--head", "logreg", "-o", str(model)]) == 0
    assert words in capsys.readouterr().out
    card = (model / "README.md").read_text()
    assert words in card
    assert "not trained on" not in card.replace("**It was never tested**", "")
    assert json.loads((model / "model.json").read_text())["scores"]["leaks"] == words
    with pytest.raises(Wav2emoError, match="--strict"):
        train([*args, "--head", "logreg", "-o", str(model), "--strict"])


def test_folds_that_a_scheme_would_make_give_its_scores(cache, tmp_path) -> None:
    out = ["--head", "logreg", "--cache", str(cache), "-q", "--out"]
    assert evaluate([*out, str(tmp_path / "own")]) == 0
    assert evaluate([*out, str(tmp_path / "given"), "--folds", "column:speaker"]) == 0
    own, of_column = (
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("own", "given")
    )
    assert own["confusion"] == of_column["confusion"]
    assert own["ci95"] == of_column["ci95"]
    assert not of_column["fold_audit"]["leaks"]


def test_a_probe_is_repaired_too(make_cache, tmp_path, capsys) -> None:
    cache = make_cache(columns={"sentence": [f"s{n % 4}" for n in range(80)]})
    args = ["--cache", str(cache), "--quick", "-q", "--folds", "column:speaker", "--out"]
    with Cache(cache) as opened:
        table = opened.utterances
    part = np.where(table["speaker"] < "03", "train", "test")
    part[0] = "test"
    file = tmp_path / "a.csv"
    table[["id"]].assign(part=part).to_csv(file, index=False)
    assert probe([*args, str(tmp_path / "run"), "--folds", str(file), "--repair", "speaker"]) == 0
    assert "--repair speaker dropped 15 of 47 training utterances" in capsys.readouterr().out
    found = json.loads((tmp_path / "run" / "probe.json").read_text())
    assert found["options"]["repair"] == ["speaker"]
    assert "--repair speaker" in found["command"]
