"""Training: selection and reports, without influence of test parts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.commands.train import main
from classify.dataset import load, select
from classify.evaluation.folds import inner_folds, split
from classify.evaluation.run import evaluate
from classify.inference.model import Model
from classify.models import train as fit
from classify.models.selection import by_layer_and_C
from classify.options import Options
from classify.training_options import TrainingOptions
from data import Cache
from data.errors import UsageError


@pytest.fixture
def uneven(make_cache) -> Path:
    """A cache whose classes differ only in layer 2, so that the mean of layers is worse."""
    return make_cache(strengths=(0.0, 0.0, 1.0), dim=12, takes=5)


def test_the_informative_layer_is_chosen(uneven: Path) -> None:
    model = fit.train(Options(head="logreg", cache=uneven))
    choice = model.card["choice"]
    assert model.features.layer == choice["chosen"]["layer"] == 2
    assert [row["settings"]["layer"] for row in choice["tried"]] == ["mean", 0, 1, 2]
    assert model.head.C == choice["chosen"]["C"] == model.card["parameters"]["C"]
    assert choice["by"] == "3 folds of speakers"
    assert len(choice["in_folds"]) == model.card["scores"]["folds"] == 5
    top = max(choice["tried"], key=lambda row: row["uar"])
    assert top["settings"] == choice["chosen"]


def test_inner_scores_are_those_of_scikit_learn(uneven: Path) -> None:
    model = fit.train(Options(head="logreg", cache=uneven), scored=False)
    for row in model.card["choice"]["tried"]:
        options = Options(head="logreg", cache=uneven, layer=row["settings"]["layer"])
        data = load(options)
        parts, _ = inner_folds(data.y, data.speakers, "speaker", options.seed)
        scores = []
        for C in 0.01 * np.logspace(-2, 2, 7):
            head = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
            predicted = cross_val_predict(head, data.X, data.y, cv=parts)
            scores.append(balanced_accuracy_score(data.y, predicted))
        assert row["uar"] == pytest.approx(max(scores), abs=0.02)


def test_the_head_is_the_one_that_is_chosen_fitted_on_everything(uneven: Path) -> None:
    model = fit.train(Options(head="logreg", cache=uneven), scored=False)
    data = load(Options(head="logreg", cache=uneven, layer=2))
    C = model.card["choice"]["chosen"]["C"]
    head = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000, tol=1e-8))
    expected = head.fit(data.X, data.y).predict_proba(data.X)
    np.testing.assert_allclose(model.of_features(data.X), expected, atol=1e-3)


def test_no_test_part_has_a_share_in_its_choice(uneven: Path) -> None:
    """Other labels of a speaker change neither the selection for it nor its predictions."""
    options = Options(head="logreg", cache=uneven)
    with Cache(uneven) as cache:
        selection = select(cache.utterances, options)
        folds = split(selection, "auto", 0)
        choice, predicted = by_layer_and_C(options, selection, folds, cache)
        _, test = folds.parts[1]
        y = selection.y.copy()
        y[test] = (y[test] + 1) % 4
        other, said_now = by_layer_and_C(options, replace(selection, y=y), folds, cache)
    assert other.in_folds[1] == choice.in_folds[1]
    np.testing.assert_allclose(said_now[test], predicted[test], atol=1e-4)  # rounding
    assert np.abs(said_now - predicted).max() > 0.1


@pytest.mark.parametrize("head", ["knn", "lda", "mlp"])
def test_scores_are_those_of_cross_validation(cache: Path, head: str) -> None:
    training = TrainingOptions(epochs=3 if head == "mlp" else None)
    options = Options(
        head=head,
        cache=cache,
        layer=1,
        C=1.0 if head == "lda" else None,
        training=training,
    )
    card = fit.train(options).card
    expected = evaluate(options).metrics
    scores = card["scores"]
    assert card["choice"] is None
    assert scores["confusion"] == expected["confusion"]
    for name in ("uar", "accuracy", "f1_macro"):
        low, high = scores["overall"]["ci95"][name]
        assert scores["overall"][name] == pytest.approx(expected[name])
        assert low <= scores["overall"][name] <= high
    for name, row in expected["per_class"].items():
        assert {key: scores["classes"][name][key] for key in row} == row
        if pair := scores["classes"][name]["ci95"]:  # four speakers or more have it
            assert pair[0] <= row["recall"] <= pair[1]
    by_speaker = {fold["speakers"][0]: fold["uar"] for fold in expected["folds"]}
    assert {name: row["uar"] for name, row in scores["speakers"].items()} == by_speaker


def test_given_settings_are_not_searched(uneven: Path) -> None:
    card = fit.train(Options(head="logreg", cache=uneven, layer=0)).card
    assert [row["settings"]["layer"] for row in card["choice"]["tried"]] == [0]
    card = fit.train(Options(head="ridge", cache=uneven, C=0.5)).card
    assert {row["settings"]["C"] for row in card["choice"]["tried"]} == {0.5}
    model = fit.train(Options(head="logreg", cache=uneven, layer=0, C=0.5))
    assert (model.card["choice"], model.head.C, model.features.layer) == (None, 0.5, 0)
    assert fit.train(Options(head="svm", cache=uneven, C=3.0)).card["parameters"] == {"C": 3.0}


def test_settings_are_tuned_if_requested(cache: Path, tmp_path: Path) -> None:
    model = fit.train(Options(head="knn", cache=cache, tune=4))
    choice = model.card["choice"]
    assert len(choice["tried"]) == 4
    assert choice["tried"][0]["settings"] == {}
    assert len(choice["in_folds"]) == 5
    chosen = choice["chosen"].get("n_neighbors", 10)
    assert model.head[-1].n_neighbors == chosen
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model").head[-1].n_neighbors == chosen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "logreg", "tune": 3}, "--tune 3: logreg chooses its layer and C by itself"),
        ({"head": "knn", "C": 1.0}, "--C: knn has none; these have: logreg"),
        ({"head": "logreg", "C": 0.0}, "--C 0: expected 1e-08 to 1e.08"),
        ({"head": "ridge", "target": "arousal,", "C": 1.0}, "--C is for classes"),
    ],
)
def test_contradictory_options_are_refused(make_cache, changes: dict, message: str) -> None:
    cache = make_cache(columns={"arousal": np.linspace(1, 5, 80).tolist()})
    with pytest.raises(UsageError, match=message):
        fit.train(Options(cache=cache, **changes))


def test_balanced_classes_are_not_chosen_by_the_batch(cache: Path) -> None:
    card = fit.train(Options(head="logreg", cache=cache, balance=True)).card
    assert card["choice"] is None
    assert card["parameters"] == {"class_weight": "balanced"}


def test_scores_are_reported_by_sex_and_corpus(make_cache) -> None:
    sex = ["female" if row < 32 else "male" for row in range(80)]
    cache = make_cache(columns={"sex": sex, "corpus": ["emodb"] * 16 + ["other"] * 64})
    options = Options(head="knn", cache=cache, target="emotion", labels="native")
    card = fit.train(options).card
    scores = card["scores"]
    run = evaluate(options)
    predicted = run.result.prediction
    rows = np.array(sex) == "male"
    male = card["fairness"]["columns"]["sex"]["groups"]["male"]
    assert male["uar"] == pytest.approx(
        balanced_accuracy_score(run.dataset.y[rows], predicted[rows])
    )
    assert (male["utterances"], male["speakers"]) == (48, 3)
    assert scores["groups"]["corpus"]["emodb"]["ci95"] is None  # of one speaker
    assert scores["groups"]["corpus"]["other"]["ci95"]


def test_unknown_speakers_are_reported(make_cache, tmp_path: Path) -> None:
    cache = make_cache(columns={"speaker": [""] * 80})
    model = fit.train(Options(head="logreg", cache=cache))
    scores = model.card["scores"]
    assert scores["intervals"]["over"] == "utterances"
    assert scores["speakers"] == {}
    assert model.card["speakers"] == {"emodb": {"count": 0, "ids": []}}
    assert scores["overall"]["ci95"]
    model.save(tmp_path / "model")
    assert "**The speakers are unknown**" in (tmp_path / "model" / "README.md").read_text()


def test_one_speaker_is_enough_to_fit_only(make_cache, tmp_path: Path, capsys) -> None:
    cache, out = make_cache(speakers=1, takes=6), tmp_path / "model"
    with pytest.raises(UsageError, match="speaker-independent folds need two or more"):
        main(["-o", str(out), "--head", "logreg", "--cache", str(cache)])
    assert not out.exists()
    assert main(["-o", str(out), "--head", "logreg", "--cache", str(cache), "--fit-only"]) == 0
    assert "none: it was not cross-validated" in capsys.readouterr().out
    model = Model.load(out)
    assert model.card["scores"] is None
    assert model.temperature == 1
    assert "**It was never tested**" in (out / "README.md").read_text()


def test_numbers_are_scored_as_by_regress(make_cache, tmp_path: Path, capsys) -> None:
    random = np.random.default_rng(0)
    columns = {name: random.normal(3, 1, 80).tolist() for name in ("arousal", "valence")}
    options = Options(head="ridge", cache=make_cache(columns=columns), target="arousal,valence")
    model = fit.train(options)
    expected = evaluate(options).metrics
    for name, row in model.card["scores"]["targets"].items():
        assert row["ccc"] == expected["targets"][name]["ccc"]
        assert row["ci95"] == expected["targets"][name]["ci95"]
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model").card == {
        **json.loads((tmp_path / "model" / "model.json").read_text())
    }
    assert "| arousal |" in (tmp_path / "model" / "README.md").read_text()


def test_equal_training_gives_equal_models(cache: Path, tmp_path: Path) -> None:
    first, second = (fit.train(Options(head="logreg", cache=cache)) for _ in range(2))
    assert first.card == second.card
    np.testing.assert_array_equal(first.head.coef_, second.head.coef_)
    for model, name in ((first, "a"), (second, "b")):
        model.save(tmp_path / name)
    assert (tmp_path / "a/README.md").read_bytes() == (tmp_path / "b/README.md").read_bytes()


def test_the_command_prints_scores_and_calibration(cache: Path, tmp_path: Path, capsys) -> None:
    assert main(["-o", str(tmp_path / "m"), "--head", "logreg", "--cache", str(cache), "-q"]) == 0
    out = capsys.readouterr().out
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    overall = card["scores"]["overall"]
    low, high = overall["ci95"]["uar"]
    assert f"UAR          {overall['uar']:.3f} [{low:.3f}, {high:.3f}]   chance 0.250" in out
    ece = [card["calibration"][when]["ece"] for when in ("before", "after")]
    assert "ECE          {:.3f} → {:.3f}".format(*ece) in out
    assert "of 4 layers by 3 folds of speakers" in out
    assert out.endswith(f"model        {tmp_path / 'm'}\n")
