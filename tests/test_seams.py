"""Extensions from outside of the packages, used by the real commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.base import BaseEstimator, ClassifierMixin

from classify.commands.compare import main as compare
from classify.commands.evaluate import main as evaluate
from classify.commands.predict import main as predict
from classify.commands.probe import main as probe
from classify.commands.train import main as train
from classify.dataset import Selection
from classify.evaluation import folds
from classify.inference.files import output
from classify.stats import metrics
from data import Cache, corpora
from data.console import show
from data.errors import UsageError
from extract.__main__ import main as extract
from extract.degradations.degradation import Degradation
from extract.degradations.registry import DEGRADATIONS
from extract.encoders import architectures

CORPUS = '''
"""Toy: names are speaker, emotion, take."""

import re

TITLE, SIZE, ORIGIN, TERMS, CITATION = "Toy", 24, "a test", "none", "none"
LANGUAGES = ("de",)
LABELS = {"Freude": "happiness", "Wut": "anger"}
GRAMMAR = re.compile(r"(?P<speaker>t[0-9]+)_(?P<emotion>Freude|Wut)_[0-9]+")
'''


class Nearest(ClassifierMixin, BaseEstimator):
    """The class of the nearest mean, without probabilities."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Nearest":
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == one].mean(0) for one in self.classes_])
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[((X[:, None] - self.means_) ** 2).sum(2).argmin(1)]


NEAREST = f"{__name__}:Nearest"
BAYES = "sklearn.naive_bayes:GaussianNB"


@pytest.fixture(scope="module")
def toy(tmp_path_factory, waveform, outsider) -> tuple[Path, Path]:
    """A corpus that an added module reads, embedded by an encoder that another one describes."""
    base = tmp_path_factory.mktemp("seams")
    (base / "toy").mkdir()
    (base / "toy" / "toy.py").write_text(CORPUS)
    module, model = outsider
    corpora.__path__.append(str(base / "toy"))
    architectures.__path__.append(str(module))
    (base / "corpus").mkdir()
    for number in range(24):
        emotion = ("Freude", "Wut")[number % 2]
        samples = waveform(number, 0.4) * (1 if number % 2 else 0.1) + 0.01 * (number % 2)
        file = base / "corpus" / f"t{number // 4}_{emotion}_{number}.wav"
        soundfile.write(file, samples, 16_000, subtype="PCM_16")
    cache = base / "toy.h5"
    assert extract([str(base / "corpus"), "--model", str(model), "-o", str(cache)]) == 0
    yield cache, base / "corpus"
    for package in (corpora, architectures):
        package.__path__.pop()


def test_a_corpus_and_an_architecture(toy, capsys, tmp_path) -> None:
    cache, _ = toy
    assert evaluate(["--head", "logreg", "--cache", str(cache), "--out", str(tmp_path / "r")]) == 0
    found = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert found["corpora"] == {"toy": 24}
    assert found["classes"] == ["anger", "happiness"]  # by the corpus's own label map


@pytest.mark.parametrize("head", [NEAREST, BAYES])
def test_a_head_by_its_import_path(toy, head: str, tmp_path, capsys) -> None:
    cache, corpus = toy
    args = ["--cache", str(cache), "--out"]
    assert evaluate(["--head", head, *args, str(tmp_path / "run")]) == 0
    alone = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert alone["options"]["head"] == head
    assert compare(["--heads", f"logreg,{head}", *args, str(tmp_path / "compared")]) == 0
    compared = json.loads((tmp_path / "compared" / "compare.json").read_text())["heads"][1]
    assert (compared["head"], compared["uar"]) == (head, alone["uar"])
    assert probe(["--head", head, "--quick", *args, str(tmp_path / "probed")]) == 0
    layers = json.loads((tmp_path / "probed" / "probe.json").read_text())["targets"]["emotion"]
    assert len(layers["layers"]) == 3
    if head == NEAREST:
        with pytest.raises(UsageError, match=r"could not be loaded.* train one of .*GaussianNB"):
            train(["--head", head, *args, str(tmp_path / "model")])
        return
    assert train(["--head", head, *args, str(tmp_path / "model")]) == 0
    capsys.readouterr()
    assert predict([str(tmp_path / "model"), str(corpus), "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 25


def test_an_imported_head_is_scikit_learn_by_itself(toy, tmp_path) -> None:
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from classify.dataset import load
    from classify.evaluation.run import evaluate as run
    from classify.options import Options

    data = load(options := Options(head=BAYES, cache=toy[0]))
    expected = cross_val_predict(
        make_pipeline(StandardScaler(), GaussianNB()), data.X, data.y,
        groups=data.speakers, cv=LeaveOneGroupOut(), method="predict_proba",
    )  # fmt: skip
    np.testing.assert_allclose(run(options).result.output, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("nowhere:Head", "No module named 'nowhere'"),
        ("sklearn.naive_bayes:Nothing", "no attribute 'Nothing'"),
        ("json:JSONDecoder", "not a classifier or regressor"),
        ("sklearn.datasets:load_iris", "not a classifier or regressor"),  # no class: never called
        ("sklearn.linear_model:Ridge", "predicts numbers"),
        ("nothing", "choose from logreg"),
    ],
)
def test_an_object_that_is_no_head_is_refused(toy, head: str, reason: str, tmp_path) -> None:
    with pytest.raises(UsageError, match=reason):
        evaluate(["--head", head, "--cache", str(toy[0]), "--out", str(tmp_path / "run")])


def test_an_untrusted_model_imports_only_listed_modules(toy, tmp_path, capsys) -> None:
    from classify.models.trained import TrainedHead
    from data.errors import ModelError

    model = tmp_path / "model"
    assert train(["--head", BAYES, "--cache", str(toy[0]), "--out", str(model)]) == 0
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    card = (model / "model.json").read_text()
    (model / "model.json").write_text(card.replace(BAYES, "trap:Head"))
    with pytest.raises(ModelError, match="head"):
        TrainedHead.load(model)
    program = f"from classify import Model; Model.load({str(model)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert "imported" not in done.stderr
    assert "ModelError" in done.stderr


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa (…), between -1 and 1."""
    total = counts.sum((-2, -1))
    observed = np.trace(counts, axis1=-2, axis2=-1) / total
    chance = (counts.sum(-1) * counts.sum(-2)).sum(-1) / total**2
    return np.divide(observed - chance, 1 - chance, out=np.zeros_like(observed), where=chance < 1)


def test_a_metric(toy, tmp_path, capsys) -> None:
    from sklearn.metrics import cohen_kappa_score

    metrics.register(metrics.Metric("kappa", "kappa", kappa, low=-1))
    try:
        args = ["--cache", str(toy[0]), "--out"]
        assert evaluate(["--head", "logreg", *args, str(tmp_path / "run")]) == 0
        table = capsys.readouterr().out
        found = json.loads((tmp_path / "run" / "metrics.json").read_text())
        rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
        assert found["kappa"] == pytest.approx(cohen_kappa_score(rows.truth, rows.prediction))
        low, high = found["ci95_kappa"]
        assert -1 <= low <= found["kappa"] <= high <= 1
        assert re.search(rf"kappa +{found['kappa']:.3f} \[{low:.3f}, {high:.3f}\]", table)
        assert "kappa" in (tmp_path / "run" / "report.html").read_text()
        assert compare(["--heads", "logreg,ridge", *args, str(tmp_path / "compared")]) == 0
        assert "kappa" in capsys.readouterr().out
        compared = json.loads((tmp_path / "compared" / "compare.json").read_text())
        assert all({"kappa", "ci95_kappa"} <= row.keys() for row in compared["heads"])
        assert train(["--head", "logreg", *args, str(tmp_path / "model")]) == 0
        card = json.loads((tmp_path / "model" / "model.json").read_text())
        assert all("kappa" in row for row in card["scores"]["speakers"].values())
        assert "| kappa |" in (tmp_path / "model" / "README.md").read_text()
    finally:
        del metrics.METRICS["kappa"]
    assert predict([str(tmp_path / "model"), str(toy[1])]) == 0  # where the metric is not known


def halves(dataset: Selection, seed: int) -> folds.Folds:
    """The first half of the speakers, and the second."""
    half = np.unique(dataset.speakers, return_inverse=True)[1] % 2
    return folds.Folds("two halves", folds.parted(half), by_speaker=True)


def test_a_scheme_of_folds(toy, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(folds.SCHEMES, "halves", halves)
    args = ["--head", "logreg", "--cache", str(toy[0]), "--out", str(tmp_path / "run")]
    assert evaluate([*args, "--folds", "halves"]) == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (found["split"], len(found["folds"])) == ("two halves", 2)


def test_a_file_of_folds(toy, tmp_path) -> None:
    args = ["--head", "logreg", "--cache", str(toy[0]), "--out", str(tmp_path / "run")]
    assert evaluate(args) == 0
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    before = (tmp_path / "run" / "metrics.json").read_text()
    own = tmp_path / "own.csv"
    rows[["id", "fold"]].to_csv(own, index=False)
    assert evaluate([*args, "--folds", str(own)]) == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["split"] == "folds of own.csv"
    assert found["confusion"] == json.loads(before)["confusion"]
    rows.assign(fold=np.arange(24) % 2)[["id", "fold"]].to_csv(own, index=False)
    assert evaluate([*args, "--folds", str(own)]) == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["fold_audit"]["overlap"]["speaker"] == {"shared": 6, "tested": 6}
    pd.concat([rows, rows.assign(fold=7)])[["id", "fold"]].to_csv(own, index=False)
    with pytest.raises(UsageError, match=r"toy/\S+ is tested in fold \d and in fold 7"):
        evaluate([*args, "--folds", str(own)])
    rows[["id", "fold"]][:-1].to_csv(own, index=False)
    assert evaluate([*args, "--folds", str(own)]) == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["fold_audit"]["left_out"] == {"unnamed": 1, "development": 0}
    assert found["utterances"] == 23
    with pytest.raises(UsageError, match=r"expected auto, speaker, .* or a CSV file|no such file"):
        evaluate([*args, "--folds", "nothing"])


def test_an_output_format(toy, tmp_path, capsys, monkeypatch) -> None:
    def tally(answers, columns, parts) -> None:
        show(" ".join(sorted(answer.emotion for answer in answers)))

    monkeypatch.setitem(output.FORMATS, "tally", tally)
    model = tmp_path / "model"
    assert train(["--head", "logreg", "--cache", str(toy[0]), "--out", str(model)]) == 0
    capsys.readouterr()
    assert predict([str(model), str(toy[1]), "--format", "tally"]) == 0
    assert set(capsys.readouterr().out.split()) <= {"anger", "happiness"}
    with pytest.raises(UsageError, match="expected one of table, csv, json, jsonl, tally"):
        predict([str(model), str(toy[1]), "--format", "none"])


def test_a_degradation(toy, tmp_path, capsys, monkeypatch) -> None:
    def backwards(waveform, given):
        return waveform[::-1][: len(waveform) // int(given.level)].copy(), given.level

    entry = Degradation(backwards, "played backwards, only a part", "PART", 1, 4, whole=True)
    monkeypatch.setitem(DEGRADATIONS, "backwards", entry)
    cache = tmp_path / "c.h5"
    corpus = [str(toy[1]), "--model", "untrained:tiny", "-o", str(cache)]
    assert extract([*corpus, "--degrade", "backwards:2"]) == 0
    with Cache(cache, degraded=True) as found:
        assert found.conditions == ("backwards:2",)
        half = found.utterances["condition"] == "backwards:2"
        assert found.utterances[half]["duration"].tolist() == [0.2] * 24
    with pytest.raises(UsageError, match="got '9' for PART, expected 1 to 4"):
        extract([*corpus, "--degrade", "backwards:9"])
