"""Robustness: every number against scikit-learn fits one by one, planted effects, bad input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from degraded_arrays import Arrays
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import recall_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.commands.robustness import main
from classify.conditions import Copies, clean_table, is_small, kind, level, named
from classify.dataset import select, sound
from classify.evaluation.division import divide
from classify.report.robustness import report
from classify.robustness.options import RobustnessOptions
from classify.robustness.study import robustness
from classify.studies.fits import linear
from data import Cache
from data.cache.by_fold import write
from data.errors import UsageError, Wav2emoError
from extract.__main__ import main as extract
from extract.degradations.specs import SETS

CONDITIONS = {
    "noise:0": (3.0, 3.0, 0.5),
    "noise:20": (1.0, 1.0, 0.2),
    "telephone": (0.2, 2.0, 0.2),
    "gain:2": (0.05, 0.05, 0.05),
}


@pytest.fixture
def degraded(make_degraded) -> Path:
    return make_degraded(CONDITIONS, logmel=True, separation=1.0)


def rows(run: dict) -> dict[str, dict]:
    return {row["name"]: row for row in run["groups"]}


def test_every_condition_equals_scikit_learn(degraded: Path) -> None:
    options = RobustnessOptions(
        degraded, heads=("ridge", "sklearn.naive_bayes:GaussianNB"), train_on=(("noise",),)
    )
    found, arrays = robustness(options).metrics, Arrays(degraded)
    assert found["utterances"] == 80
    trained = ("", "noise:0", "noise:20")
    bayes = make_pipeline(StandardScaler(), GaussianNB())
    expected = [
        arrays.predicted(arrays.X),
        arrays.predicted(arrays.X, trained),
        arrays.predicted(arrays.X, head=bayes),
        arrays.predicted(arrays.X, trained, head=bayes),
    ]
    assert [run["trained"] for run in found["runs"]] == [[], ["noise"], [], ["noise"], []]
    for run, predicted in zip(found["runs"], expected, strict=False):
        clean = rows(run)["clean"]["uar"]
        same = dict(zip(arrays.id[arrays.condition == ""], predicted, strict=False))
        for name in ("", *CONDITIONS):
            row = rows(run)[name or "clean"]
            assert row["uar"] == pytest.approx(arrays.uar(predicted, name))
            some = arrays.condition == name
            share = np.mean(predicted[some] == [same[one] for one in arrays.id[some]])
            assert row["unchanged"] == pytest.approx(share)
            if name:
                assert row["change"]["uar"] == pytest.approx(row["uar"] - clean)
        assert rows(run)["all"]["uar"] == pytest.approx(arrays.uar(predicted, *CONDITIONS))
        assert rows(run)["noise"]["uar"] == pytest.approx(
            arrays.uar(predicted, "noise:0", "noise:20")
        )
        assert rows(run)["small"]["unchanged"] == rows(run)["gain:2"]["unchanged"]
    for place, name in enumerate(rows(found["runs"][1])):
        compared = found["runs"][1]["compared"][place]
        pair = (rows(found["runs"][number])[name]["uar"] for number in (1, 0))
        assert compared["name"] == name
        assert compared["uar"] == pytest.approx(np.subtract(*pair))


def test_layers_and_their_choice_equal_scikit_learn(degraded: Path) -> None:
    options = RobustnessOptions(degraded, heads=("ridge",))
    found, arrays = robustness(options).metrics, Arrays(degraded)
    by_layer = [arrays.predicted(X) for X in arrays.layers]
    for layer, predicted in enumerate(by_layer):
        for name in ("", *CONDITIONS):
            uar = found["layers"]["uar"][name or "clean"][layer]
            assert uar == pytest.approx(arrays.uar(predicted, name))
    chosen = []
    for tested in arrays.speakers:
        others = arrays.speakers[arrays.speakers != tested]
        means = [arrays.inner_uar(X, others, ("",), [*CONDITIONS]) for X in arrays.layers]
        chosen.append(int(np.argmax(means)))
    assert found["layers"]["chosen"]["folds"] == chosen
    nested = np.full(len(arrays.y), "", object)
    for tested, layer in zip(arrays.speakers, chosen, strict=True):
        some = arrays.speaker == tested
        nested[some] = by_layer[layer][some]
    assert found["layers"]["chosen"]["uar"] == pytest.approx(arrays.uar(nested, *CONDITIONS))


def test_corruption_errors_are_their_formula(degraded: Path) -> None:
    options = RobustnessOptions(degraded, heads=("ridge",), curves=False)
    found, arrays = robustness(options).metrics, Arrays(degraded)
    own, base = (arrays.predicted(X) for X in (arrays.X, arrays.logmel))
    E, B = (
        {name: 1 - arrays.uar(predicted, name) for name in ("", *CONDITIONS)}
        for predicted in (own, base)
    )
    corruption = found["runs"][0]["corruption"]
    noise = ("noise:0", "noise:20")
    assert corruption["kind"]["noise"]["error"] == pytest.approx(
        sum(E[name] for name in noise) / sum(B[name] for name in noise)
    )
    assert corruption["kind"]["noise"]["relative"] == pytest.approx(
        sum(E[name] - E[""] for name in noise) / sum(B[name] - B[""] for name in noise)
    )
    assert corruption["condition"]["telephone"]["error"] == pytest.approx(
        E["telephone"] / B["telephone"]
    )
    assert corruption["all"]["all"]["error"] == pytest.approx(
        sum(E[name] for name in CONDITIONS) / sum(B[name] for name in CONDITIONS)
    )


def test_a_condition_that_destroys_one_layer_is_found(make_degraded) -> None:
    """Clean speech is alike on layers 0 and 2; the condition leaves nothing of layer 0."""
    path = make_degraded({"reverb:1": (50.0, 50.0, 0.0)}, separation=2.0)
    layers = robustness(RobustnessOptions(path)).metrics["layers"]
    assert layers["uar"]["clean"][0] > 0.8
    assert layers["uar"]["reverb:1"][0] < 0.5
    assert layers["best"]["layer"] == 2
    assert layers["chosen"]["folds"] == [2] * 5
    assert layers["uar"]["reverb:1"][2] == layers["uar"]["clean"][2]


class Spy(ClassifierMixin, BaseEstimator):
    """Knows speakers by the first feature, and refuses to be tested on those it was fitted to."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Spy":
        self.classes_, self.known_ = np.unique(y), {*X[:, 0].round().tolist()}
        self.copies_ = len(X)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        assert not self.known_ & {*X[:, 0].round().tolist()}
        return np.full(len(X), self.classes_[self.copies_ % len(self.classes_)])


def test_no_copy_of_a_tested_speaker_is_trained_on(make_degraded) -> None:
    def tell(layers: dict[str, np.ndarray], _: object, speakers: list[str]) -> None:
        layers["mean"][:, :, 0] = 100 * np.array(speakers, float)

    path = make_degraded(CONDITIONS, alter=tell)
    options = RobustnessOptions(
        path, heads=(f"{__name__}:Spy",), train_on=(("all",), ("clean", "noise:0")), curves=False
    )
    assert len(robustness(options).runs) == 3


def test_missing_utterances_are_compared_on_what_both_have(make_degraded) -> None:
    lost = [f"~noise:0/emodb/00W{take}" for take in range(4)]
    path = make_degraded(CONDITIONS, missing=lost, separation=1.0)
    options = RobustnessOptions(path, heads=("ridge",), curves=False)
    found, arrays = robustness(options).metrics, Arrays(path)
    row = rows(found["runs"][0])["noise:0"]
    assert (row["utterances"], row["missing"]) == (76, 4)
    predicted = arrays.predicted(arrays.X)
    both = (arrays.condition == "") & np.isin(arrays.id, arrays.id[arrays.condition == "noise:0"])
    clean = recall_score(arrays.y[both], predicted[both].astype(str), average="macro")
    assert row["change"]["uar"] == pytest.approx(arrays.uar(predicted, "noise:0") - clean)


def test_a_condition_without_a_class_is_refused_by_name(make_degraded) -> None:
    lost = [f"~noise:0/emodb/{s:02}W{take}" for s in range(5) for take in range(4)]
    path = make_degraded(CONDITIONS, missing=lost)
    found = robustness(RobustnessOptions(path, curves=False))
    assert "noise:0" not in rows(found.metrics["runs"][0])
    refused = "noise:0: 60 of 80 tested utterances, and none of the class anger"
    assert ("refused", refused) in report(found).page.about
    with pytest.raises(UsageError, match="no condition has all classes: noise:0 has 60 of 80"):
        robustness(RobustnessOptions(path, only=("noise:0",)))


def test_the_command_writes_all_files(degraded: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    command = ["--cache", str(degraded), "--out", str(out), "--train-on", "telephone", "-q"]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "robustness.json").read_text())
    page = (out / "report.html").read_text()
    for title in ("UAR by level", "Layers in each condition", "What training on conditions changes",
                  "Which layer is robust", "relative CE", "by small changes (1 condition)",
                  "logreg, trained on clean + telephone"):  # fmt: skip
        assert title in page
    table = pd.read_csv(out / "predictions.csv", keep_default_na=False)
    assert len(table) == 80 * 5
    some = table[table["condition"] == "telephone"]
    uar = recall_score(some["truth"], some["logreg"], average="macro")
    assert uar == pytest.approx(rows(printed["runs"][0])["telephone"]["uar"])


def test_equal_commands_give_equal_numbers_and_given_folds_are_used(make_degraded, tmp_path):
    path = make_degraded(CONDITIONS)
    with Cache(path) as cache:
        table = cache.utterances
    part = table["speaker"].map({"03": "", "04": "test"}).fillna("train")
    table[["id"]].assign(fold="a", part=part)[part != ""].to_csv(tmp_path / "f.csv", index=False)
    options = RobustnessOptions(path, folds=str(tmp_path / "f.csv"))
    found = robustness(options).metrics
    assert found["utterances"] == 16
    assert rows(found["runs"][0])["noise:0"]["ci95"] is None  # one speaker
    assert json.dumps(found) == json.dumps(robustness(options).metrics)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ("hall",)}, "--only hall: the cache has the conditions gain:2, noise:0"),
        ({"train_on": (("hall",),)}, "--train-on hall: the cache has the conditions"),
        ({"train_on": (("clean",),)}, "--train-on clean: clean speech is always trained on"),
        ({"heads": ("logreg", "logreg")}, "--heads logreg,logreg: expected different heads"),
        ({"target": "nothing"}, "--target nothing"),
        ({"target": "duration,"}, "holds numbers, and this command needs classes"),
    ],
)
def test_impossible_studies_are_refused(degraded: Path, options: dict, message: str) -> None:
    with pytest.raises(Wav2emoError, match=message):
        robustness(RobustnessOptions(degraded, **options))


def test_a_cache_without_conditions_names_the_next_step(cache: Path) -> None:
    with pytest.raises(UsageError, match=r"it has no conditions; add them by .* with --degrade"):
        robustness(RobustnessOptions(cache))


def test_a_cache_by_fold_is_refused(degraded: Path) -> None:
    with Cache(degraded) as cache:
        ids = cache.utterances["id"].tolist()
    write(degraded.parent, "tuned", {degraded.name: ids}, "of a test")
    with pytest.raises(UsageError, match="it has an encoder per fold, of which each would need"):
        robustness(RobustnessOptions(degraded.parent))


def test_recordings_are_degraded_embedded_and_tested(tmp_path: Path, folder_corpus) -> None:
    cache, corpus = str(tmp_path / "cache.h5"), str(folder_corpus())
    command = [corpus, "--pattern", "{emotion}/{speaker}_{take}", "--model", "untrained:tiny"]
    degrade = ["--degrade", "noise:0", "telephone", "gain:-1"]
    assert extract([*command, "-o", cache, "-q", *degrade]) == 0
    found = robustness(RobustnessOptions(Path(cache))).metrics
    (row,) = (one for one in found["runs"][0]["groups"] if one["name"] == "noise:0:white")
    assert row["achieved"] == pytest.approx(0, abs=1)
    assert row["missing"] == 0
    assert found["runs"][0]["corruption"]["all"]["all"]["error"] >= 0
    assert rows(found["runs"][0])["small"]["utterances"] == 12


def test_copies_are_those_of_the_selection(degraded: Path) -> None:
    options = RobustnessOptions(degraded, labels="anger,sadness").of("logreg")
    with sound(degraded, degraded=True) as cache:
        selection, _ = divide(select(clean_table(cache), options), options)
        copies = Copies.of(selection, cache, ("telephone",))
        table = cache.utterances.iloc[copies.everything.rows]
        whole = cache.layer(1)
    assert len(copies) == 80  # 40 of two emotions, clean and by telephone
    assert {*table["emotion"]} == {"W", "T"}
    assert {*table["condition"]} == {"", "telephone"}
    assert copies.everything.utterances["id"].tolist() == table["id"].tolist()
    assert copies.everything.speakers_known
    with Cache(degraded) as clean:
        np.testing.assert_array_equal(whole[: len(clean)], clean.layer(1))


@given(st.sampled_from(["noise", "noise:x", "a"]), st.floats(-99, 99), st.text("abc", max_size=3))
def test_kind_and_level_are_the_parts_of_a_name(first: str, value: float, last: str) -> None:
    number = f"{value:.2f}"
    name = f"{first}:{number}" + (f":{last}" if last else "")
    assert level(name) == float(number)
    assert kind(name) == first + (f":{last}" if last else "")
    assert named([name, "other"], [kind(name)], "--only") == (name,)


@given(st.integers(0, 30))
def test_parts_that_share_samples_give_what_each_gives_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    parts = []
    for _ in range(4):
        train = random.random(60) < 0.6
        train[:6] = True
        parts.append((np.flatnonzero(train), np.flatnonzero(random.random(60) < 0.3)))
    for part, found in zip(parts, linear("ridge", None, X, y, 3, parts), strict=True):
        (alone,) = linear("ridge", None, X, y, 3, [part])
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_small_changes_are_those_of_the_set():
    assert all(is_small(name) for name in SETS["small"])
    assert not any(is_small(name) for name in (*SETS["robuser"], *SETS["ser-tests"]))
