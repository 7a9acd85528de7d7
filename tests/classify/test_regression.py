"""Regression: columns, scores, files."""

import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.commands import predict
from classify.commands.evaluate import main
from classify.commands.probe import main as probe
from classify.commands.train import main as train
from classify.dataset import has_numbers, load, log_kind, require_classes
from classify.evaluation.run import Run, evaluate
from classify.heads import HEADS, build_regressor, classical
from classify.models import train as fit
from classify.models.trained import TrainedHead
from classify.options import Options
from classify.stats.agreement import ccc, pearson, rmse
from classify.stats.intervals import of_ccc
from classify.training_options import TrainingOptions
from data import Cache
from data.errors import HeadError, UsageError
from extract.__main__ import main as extract

ABLE = [name for name, head in HEADS.items() if head.regressor]
SOME = [
    name if name in ("ridge", "svm", "mlp") else pytest.param(name, marks=pytest.mark.torture)
    for name in ABLE
]
MAKERS = {
    "ridge": classical.ridge_regressor,
    "svm": classical.svm_regressor,
    "knn": classical.knn_regressor,
    "forest": lambda: classical.forest_regressor(20, random_state=0),
    "boosting": lambda: classical.boosting_regressor(20, random_state=0),
}
CENTRES = np.array([[1.5, 4.5], [4.5, 3.5], [3.0, 1.5], [2.0, 3.0]])  # (emotion, target)


@pytest.fixture
def rated(make_cache) -> Callable[..., Path]:
    """Makes a cache whose valence and arousal go with the emotion; 16 utterances a speaker."""

    def make(name: str = "rated.h5", speakers: int = 5, columns: dict | None = None, **options):
        rng = np.random.default_rng(1)
        count = 16 * speakers
        ratings = CENTRES[np.arange(count) // 4 % 4] + rng.normal(0, 0.3, (count, 2))
        rows = {"valence": ratings[:, 0].tolist(), "arousal": ratings[:, 1].tolist()}
        return make_cache(name, speakers=speakers, columns=rows | (columns or {}), **options)

    return make


def options_of(cache: Path, head: str = "ridge", target: str = "arousal,valence", **options):
    brief = TrainingOptions(epochs=15 if HEADS[head].neural else None)
    return Options(cache=cache, head=head, target=target, training=brief, **options)


def run_of(cache: Path, *args, **options):
    return evaluate(options_of(cache, *args, **options), jobs=1)


def test_ridge_equals_scikit_learn_by_hand(rated) -> None:
    cache = rated()
    run = run_of(cache, layer=1, poolings=("mean",))
    with Cache(cache) as opened:
        X, table = opened.layer(1, "mean"), opened.utterances
    truth = table[["arousal", "valence"]].to_numpy()
    by_hand = make_pipeline(StandardScaler(), Ridge(1000.0))
    expected = cross_val_predict(
        by_hand, X.astype(float), truth, groups=table["speaker"], cv=LeaveOneGroupOut()
    )
    np.testing.assert_allclose(run.result.output, expected, rtol=1e-4)
    scores = run.metrics["targets"]["valence"]
    pair = truth[:, 1], run.result.output[:, 1]
    assert scores["ccc"] == pytest.approx(ccc(*pair))
    assert scores["pearson"] == pytest.approx(pearson(*pair))
    assert scores["rmse"] == pytest.approx(rmse(*pair))
    assert scores["truth"]["deviation"] == pytest.approx(truth[:, 1].std())
    for score in ("ccc", "pearson", "rmse"):
        each = [run.metrics["targets"][name][score] for name in run.dataset.targets]
        assert run.metrics["mean"][score] == pytest.approx(np.mean(each))
    assert [fold["speakers"] for fold in run.metrics["folds"]] == [
        [f"emodb/0{n}"] for n in range(5)
    ]


@pytest.mark.parametrize("name", MAKERS)
def test_every_regressor_learns_is_cloned_and_keeps_the_scale(rated, name: str) -> None:
    run = run_of(rated(separation=3.0, dim=16), target="arousal,valence")
    head, X = MAKERS[name](), run.dataset.X
    for scale, offset in ((1.0, 0.0), (100.0, -5000.0)):
        truth = offset + scale * run.dataset.y
        prediction = np.empty_like(truth)
        for known, new in run.folds.parts:
            prediction[new] = clone(head).fit(X[known], truth[known]).predict(X[new])
        assert (ccc(truth, prediction) > (0.1 if name == "ridge" else 0.5)).all()
        assert (np.abs(prediction.mean(0) - truth.mean(0)) < 0.5 * scale).all()
    alone = clone(head).fit(X, run.dataset.y[:, :1]).predict(X)
    assert alone.shape == (80, 1)


@pytest.mark.parametrize("head", SOME)
def test_knowing_the_speaker_does_not_help(make_cache, head: str) -> None:
    """Features tell the speaker alone, and each speaker has a level: only folds that share speakers
    could tell it."""
    levels = np.repeat([1.0, 5.0, 2.0, 4.0, 1.5, 4.5], 16) + np.linspace(0, 0.2, 96)
    columns = {"arousal": levels.tolist()}
    shape = {"speakers": 6, "separation": 0.0, "dim": 24}
    honest = make_cache("honest.h5", **shape, columns=columns)
    leaking = make_cache("leaking.h5", **shape, columns=columns | {"speaker": [""] * 96})
    scores = [run_of(cache, head, "arousal").metrics["mean"]["ccc"] for cache in (honest, leaking)]
    assert scores[0] < 0.2
    assert scores[1] > scores[0] + 0.15


@pytest.mark.parametrize("head", SOME)
def test_jobs_change_nothing(rated, head: str) -> None:
    options = options_of(rated(), head, "valence,")
    one, other = (evaluate(options, jobs).metrics for jobs in (1, 2))
    assert json.dumps(one) == json.dumps(other)


def test_intervals_leave_whole_speakers_out(rated) -> None:
    run = run_of(rated(), "knn")
    _, speakers = np.unique(run.dataset.utterances["speaker"], return_inverse=True)
    low, high = of_ccc(run.dataset.y, run.result.output, speakers)
    of_targets = [run.metrics["targets"][target] for target in run.dataset.targets]
    for column, scores in enumerate([*of_targets, run.metrics["mean"]]):
        assert scores["ci95"] == [low[column], high[column]]
        assert scores["ci95"][0] < scores["ccc"] < scores["ci95"][1]


@pytest.mark.parametrize(
    ("target", "values", "expected"),
    [
        ("arousal", None, True),
        ("arousal,valence", None, True),
        ("age", [20.0 + n for n in range(10)], False),
        ("age,", [20.0 + n for n in range(10)], True),
        ("age", [20.0 + n for n in range(11)], True),
        ("age", [str(20 + n) for n in range(11)], False),
        ("emotion", None, False),
        ("mood", None, False),
    ],
)
def test_numbers_are_regressed_and_names_are_not(
    rated, target: str, values: list | None, expected: bool, caplog
) -> None:
    columns = {"age": [values[n % len(values)] for n in range(80)]} if values else {}
    options = Options(cache=rated(columns=columns), target=target)
    with caplog.at_level(logging.INFO, "wav2emo"), Cache(options.cache) as cache:
        assert has_numbers(cache.utterances, options) == expected
        log_kind(cache.utterances, options)
    if values and isinstance(values[0], float) and target == "age":
        how = "regressed" if expected else "taken as classes; --target age, (with a comma)"
        assert f"age holds {len(values)} different numbers: {how}" in caplog.text


def test_utterances_without_a_number_are_left_out_and_counted(rated, caplog) -> None:
    arousal = np.linspace(1, 5, 80)
    arousal[[0, 1, 2]] = np.nan, np.inf, -np.inf
    valence = np.linspace(5, 1, 80)
    valence[[2, 79]] = np.nan
    speakers = [f"{n // 16:02}" for n in range(80)]
    speakers[50] = ""
    columns = {"arousal": arousal.tolist(), "valence": valence.tolist(), "speaker": speakers}
    with caplog.at_level(logging.WARNING, "wav2emo"):
        run = run_of(rated(columns=columns))
    reasons = "1 without a speaker, 3 without arousal, 1 without valence"
    assert f"left out 5 of 80 utterances: {reasons}" in caplog.text
    assert np.isfinite(run.result.output).all()
    assert run.metrics["utterances"] == 75
    assert sorted(run.dataset.y[:, 0]) == sorted(np.delete(arousal, [0, 1, 2, 50, 79]))


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {},
            {"target": "dominance,arousal"},
            "no column dominance; .* duration, arousal, valence$",
        ),
        ({}, {"target": "arousal,emotion"}, r"emotion is text \('L'\) and cannot be regressed; .*"),
        ({}, {"target": ","}, "expected a column"),
        ({}, {"head": "logreg"}, "--head logreg predicts classes; .* --head ridge, svm, knn"),
        ({}, {"labels": "anger"}, "--labels is for emotions"),
        ({}, {"corpora": ("tess",)}, "holds emodb"),
        ({"arousal": [1.0] + [np.nan] * 79}, {}, "1 utterances have a number"),
        ({"speaker": ["01"] * 80}, {}, "are of one speaker"),
        ({"speaker": [""] * 80}, {"folds": "speaker"}, "speakers are unknown in the cache"),
        ({"speaker": [""] * 80}, {"folds": 81}, "80 utterances are fewer than the 81 folds"),
        (
            {"sentence": [f"s{n // 40}" for n in range(80)]},
            {"folds": "speaker+sentence"},
            None,
        ),
        (
            {"sentence": ["s"] * 80},
            {"folds": "speaker+sentence"},
            "the target cannot be learned where a speaker and a sentence are left out",
        ),
    ],
)
def test_targets_that_cannot_be_regressed_are_refused(
    rated, columns, options, message: str | None
) -> None:
    cache = rated(columns=columns)
    if message is None:
        assert run_of(cache, **options).metrics["split"].endswith("and one sentence")
        return
    with pytest.raises(UsageError, match=message):
        run_of(cache, **options)


def test_commands_for_classes_refuse_numbers(rated) -> None:
    cache = rated()
    for target in ("arousal", "arousal,valence"):
        options = Options(cache=cache, head="ridge", target=target)
        with (
            Cache(cache) as opened,
            pytest.raises(UsageError, match=f"classify --target {target}'"),
        ):
            require_classes(opened.utterances, options)
        with pytest.raises(UsageError, match=f"--target {target}'"):
            probe(["--cache", str(cache), "--targets", target])


def test_unknown_speakers_are_shuffled_with_a_warning(rated, caplog) -> None:
    with caplog.at_level(logging.WARNING, "wav2emo"):
        run = run_of(rated(columns={"speaker": [""] * 80}))
    assert "speakers are unknown" in caplog.text
    assert run.metrics["split"] == "shuffled (10), speakers unknown"
    assert run.metrics["mean"]["ci95"][0] < run.metrics["mean"]["ccc"]


@pytest.mark.parametrize("head", ABLE)
def test_a_constant_target_is_predicted_and_has_no_correlation(rated, head: str) -> None:
    cache = rated(columns={"arousal": [3.25] * 80})
    run = run_of(cache, head)
    np.testing.assert_allclose(run.result.output[:, 0], 3.25, rtol=1e-6)
    scores = run.metrics["targets"]["arousal"]
    assert scores["pearson"] is None
    assert run.metrics["mean"]["pearson"] is None
    assert scores["rmse"] == pytest.approx(0, abs=1e-6)


def test_constant_numbers_can_be_drawn(rated, tmp_path: Path, capsys) -> None:
    cache = rated(columns={"arousal": [3.25] * 80})
    argv = ["--cache", str(cache), "--head", "ridge", "--target", "arousal,valence"]
    assert main([*argv, "--out", str(tmp_path / "run"), "-q"]) == 0
    assert re.search(r"arousal +– +– +– +0.000 +[-\d.]+ +0.000", capsys.readouterr().out)


def test_one_utterance_a_fold(rated) -> None:
    speakers = [f"s{n}" for n in range(20)] + [""] * 60
    run = run_of(rated(columns={"speaker": speakers}), "svm")
    assert [fold["utterances"] for fold in run.metrics["folds"]] == [1] * 20
    assert all(fold["mean"]["pearson"] is None for fold in run.metrics["folds"])
    assert run.metrics["mean"]["ccc"] is not None


def test_a_head_that_cannot_learn_is_reported(rated) -> None:
    speakers = [f"s{n}" for n in range(5)] + [""] * 75
    with pytest.raises(HeadError, match=r"cannot learn from 4 utterances: .*n_neighbors"):
        run_of(rated(columns={"speaker": speakers}), "knn")


@pytest.mark.parametrize("target", ["arousal", "arousal,valence", "valence,arousal,duration"])
def test_run_folder_is_whole_and_consistent(rated, tmp_path: Path, target: str, capsys) -> None:
    cache = rated(columns={"duration": np.random.default_rng(2).uniform(1, 5, 80).tolist()})
    out = tmp_path / "run"
    argv = ["--cache", str(cache), "--out", str(out), "--head", "ridge"]
    assert main([*argv, "--target", "emotion"]) == 0  # an older run, to be overwritten
    capsys.readouterr()
    assert main([*argv, "--target", target]) == 0
    printed, names = capsys.readouterr().out, target.split(",")
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["kind"] == "regression"
    assert list(metrics["targets"]) == names
    assert metrics["options"]["target"] == target
    for name in names:
        assert re.search(rf"{name} +{metrics['targets'][name]['ccc']:.3f}", printed)
    assert "untrained control" in printed

    table = pd.read_csv(out / "predictions.csv", dtype={"speaker": str})
    numbers = [f"{name}_{kind}" for name in names for kind in ("truth", "prediction")]
    assert list(table) == ["id", "speaker", "fold", *numbers]
    for name in names:
        found = ccc(table[f"{name}_truth"], table[f"{name}_prediction"])
        assert found == pytest.approx(metrics["targets"][name]["ccc"], abs=1e-4)
    for fold, rows in table.groupby("fold"):
        found = rmse(rows[f"{names[0]}_truth"], rows[f"{names[0]}_prediction"])
        expected = metrics["folds"][fold]["targets"][names[0]]["rmse"]
        assert found == pytest.approx(expected, abs=1e-5)

    pictures = {"predictions.png", *(["plane.png"] if len(names) == 2 else [])}
    assert {file.name for file in out.glob("*.png")} == pictures
    page = (out / "report.html").read_text()
    assert "untrained control" in page
    assert f"{metrics['mean']['ccc']:.3f}" in page
    assert set(re.findall(r'href="([^#].*?)"', page)) == pictures
    assert re.findall(r'src="(.{26})', page) == ["data:image/svg+xml;base64,"] * len(pictures)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)


def test_same_seed_same_bytes_wherever_it_lies(rated, tmp_path: Path, capsys) -> None:
    cache, moved = rated(), tmp_path / "moved.h5"
    moved.write_bytes(cache.read_bytes())
    for place, out, jobs in ((cache, "one", "1"), (moved, "two", "2")):
        argv = ["--cache", str(place), "--out", str(tmp_path / out), "--jobs", jobs, "--json"]
        assert main([*argv, "--target", "arousal,valence", "--head", "svm"]) == 0
        assert capsys.readouterr().out.encode() == (tmp_path / out / "metrics.json").read_bytes()
    for file in (tmp_path / "one").iterdir():
        if file.name not in ("run.json",):
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


@pytest.mark.parametrize("head", ABLE)
def test_features_that_are_not_numbers_are_refused(rated, head: str) -> None:
    with pytest.raises(HeadError, match=r"cannot learn from 64 utterances: .* NaN"):
        run_of(rated(separation=np.nan), head)


def test_a_target_may_have_any_name(rated) -> None:
    cache = rated(columns={"mean": np.linspace(0, 1, 80).tolist()})
    metrics = run_of(cache, target="mean,arousal").metrics
    assert metrics["targets"]["mean"]["ci95"] != metrics["mean"]["ci95"]


def test_regressors_accept_their_parameters() -> None:
    given = {"random_state": 7, "steps": 3, "alpha": 2.0}
    ridge = build_regressor("ridge", given)
    assert ridge.regressor.named_steps["ridge"].alpha == 2.0
    assert classical.forest_regressor(random_state=7).regressor[-1].estimator.random_state == 7


def test_a_run_can_be_had_from_python(rated) -> None:
    run = run_of(rated())
    assert isinstance(run, Run)
    assert run.title == "arousal, valence: ridge on untrained control, bfloat16 by torch"
    assert run.dataset.y.shape == run.result.output.shape == (80, 2)


@pytest.mark.parametrize("head", ABLE)
def test_loaded_equals_saved(rated, tmp_path: Path, head: str) -> None:
    options = options_of(rated(), head)
    trained = fit.train(options, scored=False)
    trained.save(tmp_path / "model")
    again = TrainedHead.load(tmp_path / "model")
    X = load(options).X
    np.testing.assert_array_equal(again.head.predict(X), trained.head.predict(X))
    assert (again.targets, again.classes) == (("arousal", "valence"), [])
    assert again.card["support"] == {"arousal": 80, "valence": 80}


@pytest.mark.parametrize("target", ["arousal,valence", "arousal,"])
def test_from_audio_to_numbers(folder_corpus, tmp_path: Path, capsys, target: str) -> None:
    """Table, cache, train, predict: new audio gets the numbers that its cached embedding gets."""
    root, cache, out = folder_corpus(), tmp_path / "cache.h5", tmp_path / "model"
    files = sorted(str(file.relative_to(root)) for file in root.rglob("*.wav"))
    ratings = {"arousal": np.linspace(1, 5, 12), "valence": np.linspace(4, 2, 12) ** 2}
    pd.DataFrame({"file": files, "speaker": list("abc" * 4), **ratings}).to_csv(root / "rated.csv")
    assert extract([str(root), "--model", "untrained:tiny", "-o", str(cache), "-q"]) == 0
    options = ["--head", "ridge", "--cache", str(cache), "--target", target]
    assert train(["-o", str(out), *options]) == 0
    assert "targets      arousal 12" in capsys.readouterr().out

    assert predict.main([str(out), str(root / "rated.csv"), "--csv"]) == 0
    answers = pd.read_csv(io.StringIO(capsys.readouterr().out))
    names = [name for name in target.split(",") if name]
    assert list(answers) == ["file", *names, "out_of_domain", "warnings"]
    dataset = run_of(cache, "ridge", target, folds="auto").dataset
    expected = TrainedHead.load(out).head.predict(dataset.X)
    by_file = answers.set_index("file").loc[
        [str(root / path) for path in dataset.utterances["path"]]
    ]
    np.testing.assert_allclose(by_file[names], expected, atol=1e-3)
    assert predict.main([str(out), str(root / files[0]), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) == {"file", *names}
    assert predict.main([str(out), str(root / files[0])]) == 0
    assert re.match(r"arousal +\d", capsys.readouterr().out)
