"""Comparison of heads: same folds, correct tests, reported failures."""

import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.metrics import f1_score, recall_score

from classify.commands.compare import main, options_of, parser
from classify.compare.options import CompareOptions
from classify.compare.result import Comparison
from classify.compare.study import compare
from classify.evaluation.run import evaluate
from classify.heads import HEADS
from classify.options import Options
from classify.report.compare import report
from classify.report.page import text
from classify.training_options import TrainingOptions
from data.errors import CacheError, HeadError, UsageError

FOUR = ("logreg", "svm", "knn", "mlp")
SHORT = TrainingOptions(epochs=3)
SVG = "{http://www.w3.org/2000/svg}"


def options(cache: Path, heads: tuple[str, ...] = FOUR, **shared: object) -> CompareOptions:
    return CompareOptions(heads, Options(cache=cache, **{"training": SHORT, **shared}))


def command(cache: Path, out: Path, heads: str = ",".join(FOUR), *more: str) -> list[str]:
    return ["--heads", heads, "--cache", str(cache), "--out", str(out), *more]


@pytest.fixture
def hard(make_cache) -> Path:
    """Six speakers; classes that overlap, so heads differ."""
    return make_cache(speakers=6, separation=0.6)


@pytest.fixture
def comparison(hard: Path) -> Comparison:
    return compare(options(hard))


def test_every_head_is_scored_as_by_itself(comparison: Comparison, hard: Path) -> None:
    for row in comparison.metrics["heads"]:
        training = SHORT if HEADS[row["head"]].neural else TrainingOptions()
        alone = evaluate(Options(cache=hard, head=row["head"], training=training))
        for score in ("uar", "accuracy", "f1_macro", "confusion", "per_class"):
            assert row[score] == alone.metrics[score], (row["head"], score)
        assert row["features"] == str(alone.dataset.features)
        assert alone.metrics["folds"][0]["speakers"] == ["emodb/00"]
        assert comparison.metrics["folds"]["count"] == len(alone.metrics["folds"]) == 6


def test_scores_ranks_and_p_follow_from_the_predictions(hard: Path, tmp_path: Path) -> None:
    assert main(command(hard, tmp_path / "run", ",".join(FOUR), "--epochs", "3")) == 0
    found = json.loads((tmp_path / "run" / "compare.json").read_text())
    table = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype=str)
    assert list(table) == ["id", "speaker", "fold", "truth", *FOUR]
    assert table.groupby("fold")["speaker"].nunique().eq(1).all()

    by_speaker = np.array(
        [
            [recall_score(part["truth"], part[head], average="macro") for head in FOUR]
            for _, part in table.groupby("speaker")
        ]
    )
    ranks = rankdata(-by_speaker.round(9), axis=1).mean(0)
    for column, row in enumerate(found["heads"]):
        prediction = table[row["head"]]
        assert row["uar"] == pytest.approx(
            recall_score(table["truth"], prediction, average="macro")
        )
        assert row["f1_macro"] == pytest.approx(
            f1_score(table["truth"], prediction, average="macro")
        )
        assert row["ci95"][0] <= row["uar"] <= row["ci95"][1]
        assert row["rank"] == pytest.approx(ranks[column])
        assert list(row["per_speaker"].values()) == pytest.approx(list(by_speaker[:, column]))

    best = found["best"]
    assert best["uar"] == max(row["uar"] for row in found["heads"])
    for row in best["compared"]:
        assert row["p"] >= exchanged(table, best["head"], row["head"]) - 1e-12  # of one alone
        assert (row["head"] in best["equals"]) == (row["p"] > 0.05)


def exchanged(table: pd.DataFrame, one: str, other: str) -> float:
    """p of the difference in UAR, the answers of whole speakers exchanged in every way."""

    def difference(swapped: np.ndarray) -> float:
        a, b = table[one].where(~swapped, table[other]), table[other].where(~swapped, table[one])
        recalls = [
            recall_score(table["truth"], prediction, average="macro") for prediction in (a, b)
        ]
        return abs(recalls[0] - recalls[1])

    speakers, of = np.unique(table["speaker"], return_inverse=True)
    swaps = product((False, True), repeat=len(speakers))
    every = [difference(np.array(swap)[of]) for swap in swaps]
    return float(np.mean(np.array(every) >= every[0] - 1e-9))


def test_equal_runs_give_equal_bytes(hard: Path, tmp_path: Path, capsys) -> None:
    moved = tmp_path / "elsewhere" / "embeddings.h5"
    moved.parent.mkdir()
    moved.write_bytes(hard.read_bytes())
    heads = "logreg,knn,mlp,gru"  # gru fails: --layer without sequences
    for place, out in ((hard, "one"), (moved, "two")):
        more = ("--layer", "1", "--epochs", "2", "--json", "-q")
        assert main(command(place, tmp_path / out, heads, *more)) == 3
        assert capsys.readouterr().out.encode() == (tmp_path / out / "compare.json").read_bytes()
    for name in ("compare.json", "predictions.csv", "scores.svg", "scores.png", "ranks.svg"):
        one, two = (tmp_path / out / name for out in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), name
    run = json.loads((tmp_path / "one" / "run.json").read_text())
    assert set(run["seconds"]) == {"logreg", "knn", "mlp"}
    assert "seconds" not in (tmp_path / "one" / "compare.json").read_text()


def test_a_head_that_fails_does_not_stop_the_others(make_cache, tmp_path: Path, capsys) -> None:
    cache = make_cache(speakers=2, takes=1)  # two utterances of a class: svm calibrates on three
    assert main(command(cache, tmp_path / "run", "svm,logreg,ridge,mlp", "--epochs", "2")) == 3
    printed, prediction = capsys.readouterr()
    assert "FAILED       svm: the head cannot learn from 4 utterances" in printed
    assert "warning: svm is left out: the head cannot learn" in prediction
    found = json.loads((tmp_path / "run" / "compare.json").read_text())
    assert [row["head"] for row in found["heads"]] == ["logreg", "ridge", "mlp"]
    assert list(found["failed"]) == ["svm"]
    assert found["nemenyi"] is not None
    assert "svm: the head cannot learn" in (tmp_path / "run" / "report.html").read_text()


def test_one_that_is_left_is_not_called_best_of_all(make_cache, tmp_path: Path, capsys) -> None:
    cache = make_cache(speakers=2, takes=1)
    assert main(command(cache, tmp_path / "run", "svm,logreg")) == 3
    printed = capsys.readouterr().out
    assert "not distinguishable from it: none" not in printed
    assert "three heads or more" in printed
    assert json.loads((tmp_path / "run" / "compare.json").read_text())["best"]["compared"] == []


def test_nothing_is_written_where_all_fail(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"no head could be fitted: --layer 9: .* holds 0, 1, 2"):
        main(command(cache, tmp_path / "run", "logreg,knn", "--layer", "9"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("heads", "shared", "message"),
    [
        (("logreg",), {}, "--heads logreg: name at least two to compare, of logreg, ridge"),
        ((), {}, "name at least two"),
        (("svm", "svm"), {}, "name at least two"),
        (("svm", "tree", "gru"), {}, "no head 'tree': choose from logreg, ridge"),
    ],
)
def test_wrong_usage_is_reported(heads: tuple[str, ...], shared: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CompareOptions(heads, Options(**shared))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--epochs", "3"], "--epochs is for neural heads"),
        (["--layer", "mix"], "cannot mix layers"),
        (["--axis", "layer"], "--axis is for heads that read sequences"),
        (["--seeds", "3"], "--head .* is deterministic"),
    ],
)
def test_options_that_no_head_has_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options_of(parser().parse_args(["--heads", "svm,knn", *given]))


def test_numbers_are_not_taken_for_classes(make_cache) -> None:
    ratings = np.linspace(1, 5, 80).tolist()
    cache = make_cache(columns={"arousal": ratings})
    with pytest.raises(UsageError, match="--target arousal holds numbers"):
        compare(options(cache, ("logreg", "ridge"), target="arousal", training=TrainingOptions()))


def test_options_go_to_the_heads_that_take_them() -> None:
    chosen = CompareOptions(("svm", "mlp"), Options(layer="mix", training=SHORT, seed=7, folds=3))
    svm, mlp = chosen.of("svm"), chosen.of("mlp")
    assert (svm.head, svm.layer, svm.training.given) == ("svm", None, {})
    assert (mlp.head, mlp.layer, mlp.training) == ("mlp", "mix", SHORT)
    assert {(of.seed, of.folds) for of in (svm, mlp)} == {(7, 3)}
    numbered = CompareOptions(("svm", "mlp"), Options(layer=2))
    assert numbered.of("svm").layer == numbered.of("mlp").layer == 2


def test_the_table_names_the_features_of_each_head(make_cache) -> None:
    cache = make_cache(sequences=True, separation=3.0)
    found = compare(options(cache, ("knn", "mlp", "gru"), layer=None))
    lines = text(report(found).page).splitlines()
    seen = {line.split()[0]: line for line in reversed(lines) if line}
    assert "mean of layers 0–2, mean + std" in seen["knn"]
    assert "all of layers 0–2, mean + std" in seen["mlp"]
    assert "mean of layers 1, 2, sequences" in seen["gru"]
    assert sum(line.count(" *") for line in lines) == 2  # the best, and the legend
    assert all(max(len(line) for line in lines) < 120 for line in lines[:10])


def test_unknown_speakers_are_no_units(make_cache, tmp_path: Path) -> None:
    cache = make_cache(columns={"speaker": [""] * 80})
    heads = "logreg,knn,lda"
    assert main(command(cache, tmp_path / "run", heads)) == 0
    found = json.loads((tmp_path / "run" / "compare.json").read_text())
    assert found["units"] == {"what": "utterances", "count": 80}
    assert found["friedman"] is found["nemenyi"] is None
    assert found["heads"][0]["rank"] is None
    assert "the speakers are unknown" in found["left_out"][0]
    assert not (tmp_path / "run" / "ranks.png").exists()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "say nothing about new speakers" in page


def test_two_heads_are_tested_without_ranks_and_old_figures_go(hard: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(command(hard, out, "logreg,knn,lda", "-q")) == 0
    assert (out / "ranks.png").exists()
    assert main(command(hard, out, "logreg,knn", "-q")) == 0
    assert not (out / "ranks.png").exists()
    found = json.loads((out / "compare.json").read_text())
    assert found["friedman"] is None
    assert "three heads or more" in found["left_out"][0]
    assert len(found["best"]["compared"]) == 1


def test_heads_with_equal_predictions_are_not_distinguished(make_cache) -> None:
    found = compare(options(make_cache(separation=30.0), ("logreg", "lda", "ridge")))
    metrics = found.metrics
    assert {row["uar"] for row in metrics["heads"]} == {1.0}
    assert {row["rank"] for row in metrics["heads"]} == {2.0}
    assert metrics["friedman"]["p"] == 1
    assert metrics["best"]["equals"] == metrics["nemenyi"]["groups"][0] == found.heads


def test_few_speakers_say_so(make_cache) -> None:
    found = compare(options(make_cache(speakers=3), ("logreg", "knn")))
    assert "3 speakers are too few to distinguish heads: p ≥ 0.25" in text(report(found).page)


def test_the_page_needs_nothing_else(hard: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(command(hard, out, "logreg,knn,lda", "-q")) == 0
    page = (out / "report.html").read_text()
    found = json.loads((out / "compare.json").read_text())
    without = re.sub(r"base64,[^\"]*", "", page)
    assert "http" not in without
    assert set(re.findall(r'src="(.{11})', page)) == {"data:image/"}
    assert set(re.findall(r'href="([^#].*?)"', page)) == {"scores.png", "ranks.png"}
    assert "untrained control" in page
    for row in found["heads"]:
        assert f"{row['uar']:.3f} [{row['ci95'][0]:.3f}, {row['ci95'][1]:.3f}]" in page
    for name, expected in (("scores", "chance"), ("ranks", "critical difference")):
        root = ElementTree.parse(out / f"{name}.svg").getroot()
        words = " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
        assert expected in words
        assert all(row["head"] in words for row in found["heads"])


def test_bad_caches_and_folders_are_refused_before_anything_is_fitted(
    cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(CacheError, match="no such cache"):
        main(command(tmp_path / "none.h5", tmp_path / "run"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something other than a run"):
        main(command(cache, tmp_path / "mine"))


def test_errors_of_the_command_line_are_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "classify", "compare", "--heads", "svm"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --heads svm: name at least two")
    assert done.stderr.count("\n") == 1
