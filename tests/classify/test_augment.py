"""``train --augment`` and the robustness table of the card."""

import json
from pathlib import Path

import numpy as np
import pytest
from degraded_arrays import Arrays

from classify.commands.train import main
from classify.inference.model import Model
from classify.models import train as fit
from classify.models.schema import seal
from classify.options import Options
from classify.robustness.options import RobustnessOptions
from classify.robustness.study import robustness
from data import Cache
from data.errors import UsageError

CONDITIONS = {"noise:0": (4.0, 4.0, 4.0), "noise:20": (1.0, 1.0, 1.0), "telephone": (0.2, 2.0, 0.2)}


@pytest.fixture
def degraded(make_degraded) -> Path:
    return make_degraded(CONDITIONS, separation=1.5)


def options(path: Path) -> Options:
    return Options(head="ridge", cache=path, layer="mean", C=0.001)


def test_the_choice_and_the_scores_equal_scikit_learn(degraded: Path) -> None:
    arrays, noise = Arrays(degraded), ("noise:0", "noise:20")
    card = fit.train(options(degraded), augment=("noise",)).card
    found, tested = card["robustness"], ("", *noise)
    speakers, X = arrays.speakers, arrays.X
    augment = found["augment"]
    assert augment["conditions"] == list(noise)
    for name, trained in (("without", ("",)), ("with", tested)):
        assert augment["uar"][name] == pytest.approx(arrays.inner_uar(X, speakers, trained, tested))
    assert augment["chosen"] == (augment["uar"]["with"] > augment["uar"]["without"])
    found_by = {trained: arrays.predicted(X, trained) for trained in (("",), tested)}
    predicted = np.full(len(arrays.y), "", object)
    for name, chosen in zip(speakers, augment["in_folds"], strict=True):
        others = speakers[speakers != name]
        scores = [arrays.inner_uar(X, others, trained, tested) for trained in (("",), tested)]
        assert chosen == (scores[1] > scores[0])
        own = arrays.speaker == name
        predicted[own] = found_by[tested if chosen else ("",)][own]
    for name, row in found["conditions"].items():
        conditions = {"clean": [""], "all": [*CONDITIONS]}.get(name, [name])
        assert row["uar"] == pytest.approx(arrays.uar(predicted, *conditions))
    assert card["scores"]["overall"]["uar"] == found["conditions"]["clean"]["uar"]


def test_copies_are_trained_on_where_they_help(make_degraded) -> None:
    """In noise a class lies elsewhere: who has not been trained on that, cannot know."""

    def move(layers: dict[str, np.ndarray], names: list[str], _: object) -> None:
        for values in layers.values():
            values[:, np.array(names) == "noise:0"] *= -1

    path = make_degraded({"noise:0": (0.0, 0.0, 0.0)}, alter=move, separation=3.0, dim=12)
    knn = Options(head="knn", cache=path)
    plain, augmented = (fit.train(knn, augment=augment) for augment in ((), ("noise",)))
    before, after = (one.card["robustness"]["conditions"]["noise:0"]["uar"]
                     for one in (plain, augmented))  # fmt: skip
    assert augmented.card["robustness"]["augment"]["chosen"]
    assert after > before + 0.3
    assert plain.card["robustness"]["augment"] is None
    with Cache(path, degraded=True) as cache:
        noisy = (cache.utterances["condition"] == "noise:0").to_numpy()
        X = augmented.features.of_cache(cache, np.flatnonzero(noisy))
        truth = cache.utterances["emotion"][noisy]
    classes = dict(zip("WLTN", ["anger", "boredom", "sadness", "neutral"], strict=True))
    answers = np.array(augmented.card["classes"])[augmented.of_features(X).argmax(1)]
    assert (answers == truth.map(classes).to_numpy(str)).mean() > 0.9


def test_the_table_is_that_of_the_robustness_study(degraded: Path) -> None:
    table = fit.train(options(degraded)).card["robustness"]["conditions"]
    study = RobustnessOptions(degraded, heads=("ridge",), layer="mean", C=0.001, curves=False)
    expected = {row["name"]: row for row in robustness(study).metrics["runs"][0]["groups"]}
    assert {*table} == {"clean", "all", *CONDITIONS}
    for name, row in table.items():
        assert row["uar"] == pytest.approx(expected[name]["uar"])
        assert row["unchanged"] == pytest.approx(expected[name]["unchanged"])
        assert row["ci95"] == pytest.approx(expected[name]["ci95"])


def test_the_card_has_the_table_or_names_the_command_for_it(
    degraded: Path, make_cache, tmp_path: Path, capsys
) -> None:
    model = tmp_path / "model"
    command = ["--cache", str(degraded), "--head", "logreg", "-o", str(model), "-q"]
    assert main([*command, "--augment", "all", "--layer", "1"]) == 0
    out = capsys.readouterr().out
    assert "augment " in out
    assert "3 conditions; worst: noise:0" in out
    text = (model / "README.md").read_text()
    assert "| telephone |" in text
    assert "copies in other conditions |" in text
    card = json.loads((model / "model.json").read_text())
    assert Model.load(model).classes == card["classes"]
    older = {name: value for name, value in card.items() if name != "robustness"}
    older["sha256"] = seal(older)
    (model / "model.json").write_text(json.dumps(older))
    assert Model.load(model).classes == card["classes"]
    clean = make_cache("clean.h5")
    assert main(["--cache", str(clean), "--head", "lda", "-o", str(model), "-q"]) == 0
    assert "extract again with `--degrade` and train again" in (model / "README.md").read_text()
    assert json.loads((model / "model.json").read_text())["robustness"] is None


def test_without_scores_copies_are_still_chosen_by_inner_folds(degraded: Path) -> None:
    scored, alone = (
        fit.train(options(degraded), scored=scored, augment=("noise:20",)).card["robustness"]
        for scored in (True, False)
    )
    assert alone["conditions"] is None
    assert alone["augment"]["in_folds"] == []
    assert alone["augment"]["uar"] == pytest.approx(scored["augment"]["uar"])


@pytest.mark.parametrize(
    ("given", "augment", "message"),
    [
        ({}, ("hall",), "--augment hall: the cache has the conditions noise:0, noise:20"),
        ({"target": "duration,"}, ("noise",), "--augment is for classes"),
    ],
)
def test_impossible_studies_are_refused(degraded: Path, given: dict, augment, message) -> None:
    with pytest.raises(UsageError, match=message):
        fit.train(Options(head="ridge", cache=degraded, **given), augment=augment)


def test_a_cache_without_conditions_names_the_next_step(cache: Path) -> None:
    with pytest.raises(UsageError, match="it has no conditions; add them by the same"):
        fit.train(Options(head="ridge", cache=cache), augment=("noise",))
