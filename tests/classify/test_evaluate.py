"""Cross-validation: results, folder, command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.commands.evaluate import main
from classify.evaluation.crossvalidate import HeadError
from classify.evaluation.run import evaluate
from classify.heads import HEADS
from classify.options import Options
from classify.training_options import TrainingOptions
from data import Cache
from data.errors import UsageError

# of caches with pooled layers alone, and with sequences, which some heads read
BOTH = [
    *((name, False) for name, head in HEADS.items() if not head.finetuned),
    *((name, True) for name, head in HEADS.items() if head.sequences or name == "ridge"),
]


KEYS = {
    "accuracy", "uar", "f1_macro", "f1_weighted", "classes", "confusion", "per_class", "folds",
    "fingerprint", "options",
}  # fmt: skip


@pytest.mark.parametrize(("head", "sequences"), BOTH)
def test_every_head_learns_and_repeats_itself(make_cache, head: str, sequences: bool) -> None:
    cache = make_cache(sequences=sequences, separation=3.0)
    training = TrainingOptions(epochs=15 if HEADS[head].neural else None)
    options = Options(cache=cache, head=head, training=training)
    one, other = (evaluate(options, jobs) for jobs in (1, 2))
    assert one.metrics["uar"] > 0.5
    assert json.dumps(one.metrics) == json.dumps(other.metrics)
    np.testing.assert_allclose(one.result.output.sum(1), 1, rtol=1e-6)
    assert bool(one.result.histories) == HEADS[head].neural


def test_logreg_equals_scikit_learn_by_hand(cache: Path) -> None:
    run = evaluate(Options(cache=cache, head="logreg", layer=1, poolings=("mean",)))
    with Cache(cache) as opened:
        X, table = opened.layer(1, "mean"), opened.utterances
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, tol=1e-8, max_iter=10_000))
    expected = cross_val_predict(
        head, X.astype(float), table["emotion"], groups=table["speaker"], cv=LeaveOneGroupOut()
    )
    letters = dict(zip(["anger", "boredom", "neutral", "sadness"], "WLNT", strict=True))
    truth = [letters[name] for name in run.dataset.truth]
    predicted = [letters[run.dataset.classes[k]] for k in run.result.prediction]
    assert truth == list(table["emotion"])
    assert np.mean(np.array(predicted) == expected) > 0.98  # both stop near the optimum
    assert run.metrics["uar"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    np.testing.assert_array_equal(
        run.metrics["confusion"], confusion_matrix(truth, predicted, labels=list("WLNT"))
    )


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(name, marks=[pytest.mark.torture] * (name not in ("logreg", "knn", "mlp")))
        for name, head in HEADS.items()
        if not head.finetuned
    ],
)
def test_knowing_the_speaker_does_not_help(make_cache, head: str) -> None:
    """Features tell the speaker alone, and speakers have favourite emotions: only folds that share
    speakers could tell the emotion."""
    favourite = np.repeat(list("WTWTWT"), 16)
    other = np.repeat(list("TWTWTW"), 16)
    emotions = np.where(np.arange(96) % 8 == 0, other, favourite).tolist()
    cache = {"speakers": 6, "separation": 0.0, "dim": 24}
    honest = make_cache("honest.h5", **cache, columns={"emotion": emotions})
    leaking = make_cache("leaking.h5", **cache, columns={"emotion": emotions, "speaker": [""] * 96})
    assert evaluate(Options(cache=honest, head=head)).metrics["uar"] < 0.6
    assert evaluate(Options(cache=leaking, head=head)).metrics["uar"] > 0.75


def test_a_head_that_cannot_learn_is_reported(make_cache) -> None:
    cache = make_cache(speakers=2, takes=1)
    with pytest.raises(HeadError, match=r"cannot learn from 4 utterances: .*3-fold"):
        evaluate(Options(cache=cache, head="svm"))


@pytest.mark.parametrize("head", ["logreg", "mlp"])
def test_run_folder_is_whole_and_consistent(cache: Path, tmp_path: Path, head: str, capsys) -> None:
    out = tmp_path / "deep" / "run"
    epochs = ["--epochs", "5"] if head == "mlp" else []
    argv = ["--head", head, "--cache", str(cache), "--out", str(out), "--labels", "native"]
    assert main([*argv, *epochs]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) >= KEYS
    assert f"{metrics['uar']:.3f}" in printed
    assert "chance 0.250" in printed
    assert "untrained control" in printed
    assert str(out / "report.html") in printed

    table = pd.read_csv(out / "predictions.csv", dtype={"speaker": str})
    assert list(table) == ["id", "speaker", "fold", "truth", "prediction", *metrics["classes"]]
    assert (table["truth"] == table["prediction"]).mean() == pytest.approx(metrics["accuracy"])
    shares = table[metrics["classes"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares.idxmax(axis=1) == table["prediction"]).all()
    assert table.groupby("speaker")["fold"].nunique().eq(1).all()

    for name in ("confusion.png", "f1.png", *(["curves.png"] if head == "mlp" else [])):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert (out / "curves.png").exists() == (head == "mlp")
    run = json.loads((out / "run.json").read_text())
    assert run["fingerprint"] == metrics["fingerprint"] == Cache(cache).fingerprint
    assert run["versions"]["scikit-learn"]
    assert run["options"]["cache"] == str(cache)

    page = (out / "report.html").read_text()
    assert "untrained control" in page
    assert f"{metrics['uar']:.3f}" in page
    assert metrics["fingerprint"] in page
    pictures = {file.name for file in out.glob("*.png")}
    assert set(re.findall(r'href="([^#].*?)"', page)) == pictures
    assert re.findall(r'src="(.{26})', page) == ["data:image/svg+xml;base64,"] * len(pictures)
    assert {file.stem for file in out.glob("*.svg")} == {Path(name).stem for name in pictures}
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)


def test_same_seed_same_bytes_wherever_it_lies(make_cache, tmp_path: Path, capsys) -> None:
    cache = make_cache(speakers=4, takes=2)
    moved = tmp_path / "moved.h5"
    moved.write_bytes(cache.read_bytes())
    for place, out, jobs in ((cache, "one", "1"), (moved, "two", "2")):
        argv = ["--cache", str(place), "--out", str(tmp_path / out), "--jobs", jobs, "--json"]
        assert main([*argv, "--epochs", "3"]) == 0
        assert capsys.readouterr().out.encode() == (tmp_path / out / "metrics.json").read_bytes()
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_out_overwrites_runs_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    argv = ["--cache", str(cache), "--out", str(out), "-q"]
    assert main([*argv, "--head", "mlp", "--epochs", "2"]) == 0
    assert main([*argv, "--head", "knn"]) == 0
    assert json.loads((out / "metrics.json").read_text())["options"]["head"] == "knn"
    assert not (out / "curves.png").exists()
    (out / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="something other than a run"):
        main([*argv, "--head", "knn"])
    with pytest.raises(UsageError, match="a file is there"):
        main([*argv[:2], "--out", str(cache)])


def test_runs_go_to_new_folders_by_default(cache: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["--head", "knn", "--cache", str(cache)]) == 0
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    assert all(re.fullmatch(r"\d{8}-\d{6}-knn(-\d+)?", folder.name) for folder in folders)


HEAVY = (
    "torch", "transformers", "numpy", "pandas", "sklearn", "h5py", "onnx", "onnxruntime", "gradio",
    "dask", "distributed", "matplotlib", "seaborn",
)  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "classify",
        "classify compare",
        "classify train",
        "classify predict",
        "classify export",
        "classify serve",
        "extract",
        "data scan",
    ],
)
def test_help_is_light(command: str) -> None:
    package, *arguments = command.split()
    program = (
        "import runpy, sys\n"
        f"sys.argv = {['python', *arguments, '--help']!r}\n"
        "try:\n"
        f"    runpy.run_module({package!r}, run_name='__main__')\n"
        "except SystemExit as exit:\n"
        "    assert not exit.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert f"usage: python -m {command}" in done.stdout
    if command == "classify":
        for option in ("--head", "--layer", "--folds", "train", "predict"):
            assert option in done.stdout


def test_logreg_imports_no_more_than_it_needs(cache: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from classify.commands.evaluate import main\n"
        "main(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'skops', 'soundfile', 'sklearn.model_selection',\n"
        "         'sklearn.linear_model', 'classify.probing.study', 'classify.compare.result'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    arguments = ["--head", "logreg", "--cache", str(cache), "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_command_line_errors_are_one_line_with_status_2(cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "classify", "--cache", str(cache), "--corpus", "tess"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert done.returncode == 2
    assert done.stderr == f"error: --corpus tess: {cache} holds emodb\n"
    assert not list(tmp_path.glob("runs/*"))
