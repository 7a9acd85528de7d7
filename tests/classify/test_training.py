"""Training options on the command line and in files."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from classify.commands.evaluate import main
from classify.dataset import load
from classify.evaluation.folds import split
from classify.evaluation.run import evaluate, new_head
from classify.evaluation.tuning import SPACES, draw, tune
from classify.features import normalized_within
from classify.heads import HEADS
from classify.models import train as fit
from classify.options import Options
from classify.training_options import TrainingOptions
from data.errors import UsageError

SHORT = TrainingOptions(epochs=4, hidden=8)
QUICK = {"forest": {"n_estimators": 20}, "boosting": {"max_iter": 10}}


def metrics(cache: Path, out: Path, *more: str) -> dict:
    assert main(["--cache", str(cache), "--out", str(out), "-q", *more]) == 0
    return json.loads((out / "metrics.json").read_text())


def test_seeds_give_mean_and_deviation(make_cache, tmp_path: Path) -> None:
    cache = make_cache(separation=0.6)
    argv = ["--head", "mlp", "--layer", "1", "--epochs", "4", "--seed", "3"]
    found = metrics(cache, tmp_path / "run", *argv, "--seeds", "2")["seeds"]["uar"]
    short = TrainingOptions(epochs=4)
    alone = [
        evaluate(Options(head="mlp", cache=cache, layer=1, training=short, seed=seed))
        for seed in (3, 4)
    ]
    assert found["values"] == pytest.approx([run.metrics["uar"] for run in alone], abs=0.02)
    assert found["mean"] == pytest.approx(np.mean(found["values"]))
    assert found["deviation"] == pytest.approx(np.std(found["values"], ddof=1))


@pytest.mark.parametrize("head", ["mlp", "attention"])
def test_equal_commands_give_equal_bytes(make_cache, tmp_path: Path, head: str) -> None:
    cache = make_cache(sequences=True)
    argv = ["--head", head, "--epochs", "3", "--hidden", "8", "--mixup", "0.2", "--patience", "2"]
    for out in ("one", "two"):
        metrics(cache, tmp_path / out, *argv)
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_mix_weights_are_printed_and_attention_is_drawn(make_cache, tmp_path: Path) -> None:
    cache = make_cache(sequences=True)
    argv = ["--head", "attention", "--layer", "mix", "--epochs", "2"]
    found = metrics(cache, tmp_path / "run", *argv)
    weights = found["layer_weights"]
    assert list(weights) == ["1", "2"]  # the layers that have sequences
    assert sum(row["mean"] for row in weights.values()) == pytest.approx(1)
    assert found["options"]["sequences"]
    files = {file.name for file in (tmp_path / "run").iterdir()}
    assert {"curves.png", "layers.png", "attention.png"} <= files
    metrics(cache, tmp_path / "run", "--head", "logreg")
    files = {file.name for file in (tmp_path / "run").iterdir()}
    assert not {"curves.png", "layers.png", "attention.png"} & files


def test_along_the_layers_where_there_are_sequences_too(make_cache) -> None:
    cache = make_cache(sequences=True)
    data = load(Options(head="gru", cache=cache, axis="layer"))
    assert data.parameters == {"layers": 3, "steps": 1, "axis": "layer"}
    assert not data.features.sequences


def test_every_speaker_is_normalised_by_itself(make_cache, tmp_path: Path) -> None:
    cache = make_cache()
    data = load(Options(head="logreg", cache=cache, layer=1, normalize="speaker"))
    plain = load(Options(head="logreg", cache=cache, layer=1))
    for speaker in set(data.speakers):
        rows = data.speakers == speaker
        expected = StandardScaler().fit_transform(plain.X[rows].astype(float))
        np.testing.assert_allclose(data.X[rows], expected, atol=1e-4)
    found = metrics(cache, tmp_path / "run", "--normalize", "speaker", "--head", "logreg")
    assert found["transductive"]
    assert "transductive" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(UsageError, match="train with --normalize global"):
        fit.train(Options(head="logreg", cache=cache, normalize="speaker"))


def test_moments_of_a_speaker_are_counted_together() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 2, 4, 3)) * 5 + 2
    X[1, :, 2:] = np.nan
    X[4, :, 1:] = np.nan
    speakers = np.array(list("aabbba"))
    found = normalized_within(X.reshape(6, -1).astype(np.float32), speakers, 2, 4).reshape(X.shape)
    for speaker in "ab":
        own = found[speakers == speaker]
        np.testing.assert_allclose(np.nanmean(own, (0, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(np.nanstd(own, (0, 2)), 1, atol=1e-4)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(X))


def test_balancing_raises_the_recall_of_the_rare(make_cache) -> None:
    emotions = (["W"] * 7 + ["T"]) * 12
    cache = make_cache(speakers=6, separation=0.3, columns={"emotion": emotions})
    plain, balanced = (
        evaluate(Options(cache=cache, head="logreg", balance=balance)).metrics["per_class"]
        for balance in (False, True)
    )
    assert balanced["sadness"]["recall"] > plain["sadness"]["recall"]


@pytest.mark.parametrize("head", SPACES)
def test_settings_are_chosen_without_the_test_part(make_cache, head: str) -> None:
    """Labels of one fold's test part are shuffled: what that fold chooses stays."""
    training = SHORT if HEADS[head].neural else TrainingOptions()
    options = Options(cache=make_cache(separation=0.6), head=head, training=training)
    data = load(options)
    folds = split(data, 3, 0)
    tried = draw(head, 2, 0, options.training.given)
    assert tried[0] == {} != tried[1]
    assert not set(tried[1]) & set(options.training.given)

    def made(setting: dict):
        return new_head(options, data, setting).set_params(**QUICK.get(head, {}))

    def scores() -> np.ndarray:
        return tune(data, folds, tried, made, 0, jobs=1).scores

    before = scores()
    test = folds.parts[0][1]
    data.y[test] = np.random.default_rng(0).permutation(data.y[test])
    after = scores()
    np.testing.assert_array_equal(before[0], after[0])


def test_tuned_settings_are_reported(make_cache, tmp_path: Path, capsys) -> None:
    found = metrics(make_cache(), tmp_path / "run", "--head", "knn", "--tune", "3")
    assert len(found["tuned"]["tried"]) == 3
    assert len(found["tuned"]["chosen"]) == len(found["folds"])
    assert found["tuned"]["inner_folds"] == "3 folds of speakers"
    assert "3 settings by 3 folds of speakers" in capsys.readouterr().out
    assert "n_neighbors" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"head": "gru", "axis": "time"}, "has no sequences; make them with .* --sequence 5"),
        ({"head": "gru", "layer": 1}, "extract again with --sequence 5"),
        ({"head": "mlp", "layer": 99}, "--layer 99: .* holds 0, 1, 2"),
        ({"head": "mlp", "device": "cuda:99"}, "--device cuda:99: .* --device cpu always works"),
    ],
)
def test_missing_inputs_are_reported(make_cache, given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(Options(cache=make_cache(), **given))


def test_attention_of_a_head_without_any_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gru attends to nothing; these do: attention"):
        main(["--cache", "none.h5", "--head", "gru", "--attention", "x", "--out", str(tmp_path)])
