"""The matrix of corpora: its cells, scores and adaptations against scikit-learn and formulas."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import fractional_matrix_power
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.commands.train import main as train_main
from classify.commands.transfer import main as transfer_main
from classify.inference.model import Model
from classify.models.schema import seal
from classify.stats.tests import permutation_test, uar_shares
from classify.transfer.options import TransferOptions
from classify.transfer.shift import class_means_alignment, coral, prior_shift
from classify.transfer.study import transfer
from data import Cache
from data.emotions import VERSION
from data.errors import UsageError
from extract.__main__ import main as extract_main

SHARED = {"W": "anger", "L": "boredom", "T": "sadness", "N": "neutral"}
LANGUAGES = {"emodb": "de", "one": "en", "two": "en"}


@pytest.fixture
def make_corpora(make_cache):
    """Three corpora of three speakers each; "two" has fear instead of boredom."""

    def make(name: str = "corpora.h5", seed: int = 0, **more: list) -> Path:
        corpus, emotion, ids = [], [], []
        for speaker in range(9):
            for letter in SHARED:
                for take in range(4):
                    of = [*LANGUAGES][speaker // 3]
                    label = letter if of == "emodb" else SHARED[letter]
                    corpus.append(of)
                    emotion.append("fear" if of == "two" and letter == "L" else label)
                    ids.append(f"{of}/{speaker}{letter}{take}")
        columns = {"corpus": corpus, "emotion": emotion, "id": ids, **more}
        columns.setdefault("language", [LANGUAGES[of] for of in corpus])
        return make_cache(name, speakers=9, columns=columns, seed=seed)

    return make


def table_of(path: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Utterances, shared emotions, and the mean of the layers (utterance, pooling · dim)."""
    with Cache(path) as cache:
        X = np.hstack([cache.embeddings(name).mean(0) for name in cache.poolings])
        table = cache.utterances
    return table, table["emotion"].replace(SHARED).to_numpy(str), X


def head() -> object:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=10_000, tol=1e-8))


def cells(found: dict, run: int = 0) -> dict[tuple[str, str], dict]:
    return {(cell["trained"], cell["tested"]): cell for cell in found["runs"][run]["cells"]}


def test_every_cell_equals_scikit_learn(make_corpora):
    path = make_corpora()
    found = cells(transfer(TransferOptions((path,))).metrics)
    table, y, X = table_of(path)
    corpus, speaker = table["corpus"].to_numpy(str), table["speaker"].to_numpy(str)
    language = table["language"].to_numpy(str)
    assert len(found) == 3 + 6 + 3 + 2  # within, across, all others, other languages
    for (trained, tested), cell in found.items():
        test = corpus == tested
        if trained == tested:
            predicted = cross_val_predict(
                head(), X[test], y[test], groups=speaker[test], cv=LeaveOneGroupOut()
            )
            expected = recall_score(y[test], predicted, average="macro")
        else:
            train = {
                "all others": ~test,
                "other languages": language != LANGUAGES[tested],
            }.get(trained, corpus == trained)
            classes = np.intersect1d(y[train], y[test])
            train, test = (mask & np.isin(y, classes) for mask in (train, test))
            predicted = head().fit(X[train], y[train]).predict(X[test])
            expected = recall_score(y[test], predicted, average="macro", labels=classes)
            assert cell["chance"] == 1 / len(classes)
            assert cell["classes"] == sorted(classes)
        assert cell["uar"] == pytest.approx(expected), (trained, tested)
        assert cell["utterances"] == test.sum()
    assert found["one", "two"]["left_out"] == {"trained": 12, "tested": 12}


def test_layers_and_other_heads_equal_scikit_learn(make_corpora):
    path = make_corpora()
    options = TransferOptions((path,), heads=("logreg", "sklearn.naive_bayes:GaussianNB"))
    found = transfer(options).metrics
    table, y, X = table_of(path)
    corpus = table["corpus"].to_numpy(str)
    classes = ["anger", "boredom", "neutral", "sadness"]
    train, test = (corpus == "emodb"), (corpus == "one")
    from sklearn.naive_bayes import GaussianNB

    other = make_pipeline(StandardScaler(), GaussianNB()).fit(X[train], y[train])
    expected = recall_score(y[test], other.predict(X[test]), average="macro", labels=classes)
    assert cells(found, 1)["emodb", "one"]["uar"] == pytest.approx(expected)
    with Cache(path) as cache:
        layers = [
            np.hstack([cache.layer(layer, name) for name in cache.poolings])
            for layer in cache.layers
        ]
    (curve,) = found["layers"].values()
    (scores,) = (c for c in curve["cells"] if (c["trained"], c["tested"]) == ("emodb", "one"))
    for X, uar in zip(layers, scores["uar"], strict=True):
        predicted = head().fit(X[train], y[train]).predict(X[test])
        assert uar == pytest.approx(recall_score(y[test], predicted, average="macro"))
    assert scores["best"] == int(np.argmax(scores["uar"]))


def test_each_treatment_of_the_shift_is_its_formula(make_corpora):
    path = make_corpora()
    options = TransferOptions((path,), normalize=True, adapt=("prior", "coral"), balance=True,
                              curves=False)  # fmt: skip
    found = transfer(options).metrics
    assert [run["shift"] for run in found["runs"]] == [
        "", "normalize corpus", "balance corpus", "prior", "coral"]  # fmt: skip
    table, y, X = table_of(path)
    corpus = table["corpus"].to_numpy(str)
    train, test = corpus == "emodb", corpus == "one"
    own = np.empty_like(X)
    for name in LANGUAGES:
        own[corpus == name] = StandardScaler().fit_transform(X[corpus == name])

    def uar(Z: np.ndarray) -> float:
        fitted = head().fit(Z[train], y[train])
        return recall_score(y[test], fitted.predict(Z[test]), average="macro")

    assert cells(found, 1)["emodb", "one"]["uar"] == pytest.approx(uar(own))
    aligned = own.copy()
    eye = np.eye(X.shape[1])
    source, target = (np.cov(own[mask].T) + eye for mask in (train, test))
    move = fractional_matrix_power(source, -0.5) @ fractional_matrix_power(target, 0.5)
    aligned[train] = own[train] @ move
    assert cells(found, 4)["emodb", "one"]["uar"] == pytest.approx(uar(aligned))
    within = [cells(found, run)["one", "one"]["uar"] for run in range(5)]
    assert within == pytest.approx([within[0]] * 5)

    others = corpus != "one"
    both = others & np.isin(y, np.intersect1d(y[others], y[test]))
    counts = {name: (both & (corpus == name)).sum() for name in LANGUAGES}
    weights = np.array([both.sum() / 2 / counts[name] for name in corpus[both]])
    fitted = head().fit(
        X[both], y[both],
        standardscaler__sample_weight=weights, logisticregression__sample_weight=weights,
    )  # fmt: skip
    expected = recall_score(y[test], fitted.predict(X[test]), average="macro")
    assert cells(found, 2)["all others", "one"]["uar"] == pytest.approx(expected)


@given(st.integers(0, 50))
def test_coral_gives_the_covariance_of_the_test_corpus(seed):
    """With more utterances than features, up to the 1 that is added."""
    random = np.random.default_rng(seed)
    source, target = (random.normal(size=(300, 5)) @ random.normal(size=(5, 5)) for _ in range(2))
    moved, own = coral(source, target)
    inner = np.cov(StandardScaler().fit_transform(source).T) + np.eye(5)
    outer = np.cov(own.T) + np.eye(5)
    move = fractional_matrix_power(inner, -0.5) @ fractional_matrix_power(outer, 0.5)
    np.testing.assert_allclose(moved, StandardScaler().fit_transform(source) @ move, atol=1e-4)


@given(st.integers(0, 50))
def test_prior_shift_finds_the_shares_of_the_test_corpus(seed):
    """Oracle: Gaussian classes, whose posterior under any prior is known."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet([3.0, 3.0, 3.0])
    classes = random.choice(3, 20_000, p=shares)
    x = classes * 2.0 + random.normal(size=20_000)
    density = np.exp(-0.5 * (x[:, None] - 2.0 * np.arange(3)) ** 2)
    uniform = density / density.sum(1, keepdims=True)
    found, estimate = prior_shift(uniform, np.full(3, 1 / 3))
    np.testing.assert_allclose(estimate, np.bincount(classes) / len(x), atol=0.03)
    posterior = density * estimate
    np.testing.assert_allclose(found, posterior / posterior.sum(1, keepdims=True), atol=1e-5)


def test_class_means_are_alike_where_they_are_rotated():
    random = np.random.default_rng(0)
    means = random.normal(size=(6, 40))
    rotation = np.linalg.qr(random.normal(size=(40, 40)))[0]
    alike, exchanged = class_means_alignment(means, 3 * means @ rotation + 1)
    assert alike == pytest.approx(1)
    assert exchanged < 0.9
    other, by_chance = class_means_alignment(means, random.normal(size=(6, 40)))
    assert other == pytest.approx(by_chance, abs=0.2)


def test_encoders_are_compared_over_the_speakers(make_corpora, capsys, tmp_path):
    """The second encoder has more noise; the caches have different orders of rows."""
    first, second = make_corpora(), make_corpora("second.h5", seed=1)
    command = ["--cache", str(first), "--cache", str(second), "--no-curves", "--json", "-q"]
    assert transfer_main([*command, "--out", str(tmp_path / "run")]) == 0
    found = json.loads(capsys.readouterr().out)
    one, other = found["runs"]
    assert one["compared"] is None
    assert other["compared"]["difference"] == pytest.approx(
        other["mean"]["across"] - one["mean"]["across"]
    )
    assert 0 < other["compared"]["p"] <= 1
    assert found == json.loads((tmp_path / "run" / "transfer.json").read_text())


def test_shares_of_a_speaker_are_added_by_name(make_corpora):
    """A speaker is tested in some cells alone, and p is that of all shares by name."""
    path = make_corpora()
    with Cache(path) as cache:
        emotion = cache.utterances["emotion"].to_numpy(object)
    emotion[48:64] = "boredom"  # all that the first speaker of "one" says; "two" has no boredom
    path = make_corpora("rare.h5", emotion=emotion.tolist())
    options = TransferOptions((path,), normalize=True, curves=False)
    found = transfer(options)
    expected: dict[str, float] = {}
    places = [n for n, one in enumerate(found.first.tested) if one.cell.kind == "across"]
    assert len({len(found.first.tested[n].units) for n in places}) == 2  # 2 and 3 speakers
    for place in places:
        first, other = (run.tested[place] for run in found.runs)
        shares = uar_shares(other.counts) - uar_shares(first.counts)
        for name, share in zip(other.units, shares, strict=True):
            expected[name] = expected.get(name, 0.0) + share / len(places)
    assert len(expected) == 9
    compared = found.compared(found.runs[1])
    assert compared.difference == pytest.approx(sum(expected.values()))
    assert compared.p == permutation_test(np.array([*expected.values()]))


def test_corpora_of_one_speaker_each(make_corpora, capsys, tmp_path):
    """No cell is within a corpus."""
    path = make_corpora(speaker=[f"{row // 48}" for row in range(144)])
    command = ["--cache", str(path), "--out", str(tmp_path / "run"), "--json", "-q"]
    assert transfer_main(command) == 0
    found = json.loads(capsys.readouterr().out)
    (curve,) = found["layers"].values()
    assert curve["within"] is None
    assert len(curve["across"]) == 3


def test_tested_recordings_and_speakers_are_not_trained_on(make_corpora):
    """A recording is in two corpora, and a speaker in two languages."""
    sha256 = [f"{row:064x}" for row in range(144)]
    sha256[48:50] = sha256[:2]  # recordings of "one" that are in "emodb", too
    path = make_corpora(sha256=sha256)
    found = cells(transfer(TransferOptions((path,), curves=False)).metrics)
    assert found["emodb", "one"]["excluded"] == found["one", "emodb"]["excluded"] == 2
    assert found["emodb", "two"]["excluded"] == 0
    halves = ["a" if row % 2 else "b" for row in range(144)]
    path = make_corpora("halves.h5", half=halves)
    with pytest.raises(UsageError, match=r"--by half: no head can be trained on one of a, b"):
        transfer(TransferOptions((path,), by="half"))


def test_languages_instead_of_corpora(make_corpora):
    found = transfer(TransferOptions((make_corpora(),), by="language", curves=False)).metrics
    assert found["domains"] == {"de": 48, "en": 96}
    assert {*cells(found)} == {(a, b) for a in ("de", "en") for b in ("de", "en")}
    few = transfer(TransferOptions((make_corpora(),), only=("one", "two"), curves=False)).metrics
    assert few["domains"] == {"one": 48, "two": 48}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "nothing"}, "--by nothing: the cache has the columns id"),
        ({"by": "sex"}, "--by sex: the cache has the columns"),
        ({"by": "language", "only": ("xx",)}, "--only xx: no selected utterance has this language"),
        ({"corpora": ("emodb",)}, "have only emodb there; expected two or more"),
        ({"labels": "boredom,fear"}, "no head can be trained on one of"),
        ({"folds": "mine.csv"}, "--folds mine.csv: expected auto, speaker"),
        ({"adapt": ("magic",)}, "--adapt magic: expected prior or coral"),
        ({"heads": ("knn",), "balance": True}, "the head takes no weights"),
    ],
)
def test_impossible_studies_are_refused(make_corpora, options, message):
    with pytest.raises(UsageError, match=message):
        transfer(TransferOptions((make_corpora(),), **options))


def test_a_model_of_several_corpora_is_scored_on_left_out_ones(make_corpora, tmp_path, capsys):
    """Oracle: the cells of the matrix, with the same layer and C."""
    path, model = make_corpora(), tmp_path / "model"
    options = ["--cache", str(path), "--head", "logreg", "--layer", "mean", "--C", "0.01", "-q"]
    assert train_main([*options, "-o", str(model)]) == 0
    card = json.loads((model / "model.json").read_text())
    found = cells(transfer(TransferOptions((path,), curves=False)).metrics)
    for name in LANGUAGES:
        cell, row = found["all others", name], card["across"][name]
        assert row["uar"] == pytest.approx(cell["uar"])
        assert row["ci95"] is cell["ci95"] is None  # three speakers are too few
        assert row["classes"] == cell["classes"]
    assert "On other corpora" in (model / "README.md").read_text()
    assert "trained on the other corpora (4 classes)" in capsys.readouterr().out
    assert Model.load(model).classes == card["classes"]
    older = {name: value for name, value in card.items() if name != "across"}
    older["sha256"] = seal(older)
    (model / "model.json").write_text(json.dumps(older))
    assert Model.load(model).classes == card["classes"]


def test_an_empty_cell_names_its_reason(make_corpora, capsys, tmp_path):
    """A corpus of one speaker cannot be divided by speakers, but it can be trained and tested."""
    speakers = ["00" if row < 48 else f"{row // 16:02}" for row in range(144)]
    path = make_corpora(speaker=speakers)
    command = ["--cache", str(path), "--labels", "big4", "--out", str(tmp_path / "run"), "-q"]
    assert transfer_main(command) == 0
    out = capsys.readouterr().out
    assert "emodb → emodb  all 36 utterances are of one speaker" in out
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Empty cells" in page
    assert "untrained control" in page
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv", keep_default_na=False)
    assert {*rows["trained"]} == {*LANGUAGES, "all others", "other languages"}


def test_real_speech_in_two_languages(speech: Path, tmp_path, capsys):
    """From two folders to a matrix: some speakers of each corpus, by a tiny encoder."""
    for corpus, pattern, step in (("emodb", "0[38]*.wav", 4), ("ravdess", "*-0[12].*", 3)):
        (tmp_path / corpus).mkdir()
        for file in sorted((speech / corpus).rglob(pattern))[::step]:
            shutil.copy(file, tmp_path / corpus)
    cache = tmp_path / "cache.h5"
    roots = [str(tmp_path / corpus) for corpus in ("emodb", "ravdess")]
    assert extract_main([*roots, "--model", "untrained:tiny", "-o", str(cache), "-q"]) == 0
    out = ["--cache", str(cache), "--out", str(tmp_path / "run"), "-q"]
    capsys.readouterr()
    assert transfer_main([*out, "--by", "language", "--labels", "arousal", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {*found["domains"]} == {"de", "en"}
    assert all(0 <= cell["uar"] <= 1 for cell in found["runs"][0]["cells"])
    assert found["vocabulary"] == VERSION
