"""The commands from audio to predictions."""

import contextlib
import csv
import io
import json
import runpy
import shutil
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
import soundfile

from data import Cache


def process(*arguments):
    """Run ``python -m …`` and return the finished process."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], text=True, capture_output=True, check=False
    )


def command(*arguments, cwd="."):
    """The same in this process, which has imported torch and transformers already."""
    package, *argv = map(str, arguments)
    sys.modules.pop(f"{package}.__main__", None)
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", [package, *argv]),
        pytest.raises(SystemExit) as ended,
    ):
        runpy.run_module(package, run_name="__main__")
    arguments = [package, *argv]
    status = ended.value.code or 0
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def succeeds(*arguments, run=command, **options):
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Buzzes instead of speech: their pitch and noise tell the label."""
    root = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    rows = ["file,emotion,speaker,sex"]
    for speaker in range(4):
        for emotion, pitch in (("anger", 400), ("sadness", 90), ("neutral", 0)):
            for take in range(4):
                time = np.arange(6_000 + 800 * take) / 16_000
                buzz = np.sign(np.sin(2 * np.pi * (pitch + 5 * speaker) * time)) if pitch else 0
                samples = 0.3 * buzz + 0.1 * random.standard_normal(len(time))
                file = f"{speaker}_{emotion}_{take}.wav"
                soundfile.write(root / file, samples, 16_000)
                rows.append(f"{file},{emotion},s{speaker},{'fm'[speaker % 2]}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def cache(corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("cache") / "embeddings.h5"
    out = succeeds("extract", corpus, "--model", "untrained:tiny", "-o", path, run=process)
    assert "48 utterances" in out
    return path


@pytest.fixture(scope="module")
def model(cache, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model"
    succeeds("classify", "train", "-o", path, "--head", "logreg", "--cache", cache)
    return path


def test_a_second_extraction_has_nothing_to_do(corpus, cache):
    out = succeeds("extract", corpus, "--model", "untrained:tiny", "-o", cache, "--json")
    assert json.loads(out)["cached"] == 48
    assert json.loads(out)["embedded"] == 0


@pytest.mark.parametrize(("head", "run"), [("logreg", process), ("mlp", command)])
def test_classify_writes_a_whole_run(cache, tmp_path, head, run):
    out = succeeds("classify", "--head", head, "--cache", cache, "--out", tmp_path / "run", run=run)
    run = tmp_path / "run"
    assert str(run / "report.html") in out
    assert str(run / "confusion.png") in out
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["uar"] > 0.5
    assert metrics["classes"] == ["anger", "neutral", "sadness"]
    assert np.array(metrics["confusion"]).sum() == 48
    assert metrics["fingerprint"] == Cache(cache).fingerprint
    assert len(metrics["folds"]) == 4
    rows = list(csv.DictReader((run / "predictions.csv").open()))
    assert len(rows) == 48
    assert "untrained" in out
    assert "untrained" in (run / "report.html").read_text()


def test_predictions_from_audio_equal_those_from_the_cache(corpus, cache, model):
    files = sorted(corpus.glob("*.wav"))[:6]
    out = succeeds("classify", "predict", model, *files, "--csv", run=process)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["file"] for row in rows] == [str(file) for file in files]

    from classify.inference.model import Model

    model = Model.load(model)
    with Cache(cache) as read:
        table = read.utterances
        for row, file in zip(rows, files, strict=True):
            number = int(table.index[table["path"] == file.name][0])
            layers = {p: read.embeddings(p)[:, number] for p in read.poolings}
            (expected,) = model.of_features(model.features.of_embedding(model.recipe, layers, None))
            got = [float(row[name]) for name in model.classes]
            np.testing.assert_allclose(got, expected, atol=1e-4)
            assert row["emotion"] == model.classes[int(np.argmax(expected))]


def test_predict_goes_on_after_a_bad_file(corpus, model, tmp_path):
    (tmp_path / "bad.wav").write_text("no audio at all, only words, and some more words")
    good = next(corpus.glob("*.wav"))
    files = (tmp_path / "bad.wav", tmp_path / "none.wav", good)
    done = command("classify", "predict", model, *files, "--csv")
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 2
    assert "not audio" in done.stderr
    assert "none.wav" in done.stderr


def test_bad_files_are_refused_and_the_rest_is_done(corpus, tmp_path):
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    (root / "labels.csv").unlink()
    for file in root.glob("*.wav"):
        folder = root / file.stem.split("_")[1]
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    (root / "anger" / "text.wav").write_text("words, not samples, " * 5)
    (root / "anger" / "empty.wav").write_bytes(b"")
    soundfile.write(root / "anger" / "short.wav", np.full(160, 0.5), 16_000)
    soundfile.write(root / "anger" / "silent.wav", np.zeros(16_000), 16_000)
    whole = (root / "anger" / "0_anger_0.wav").read_bytes()
    (root / "anger" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (96_000, 2))
    soundfile.write(root / "anger" / "stereo96.wav", stereo, 96_000)
    done = command("extract", root, "--model", "untrained:tiny", "-o", tmp_path / "e.h5")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    listed = (tmp_path / "e.h5.errors.jsonl").read_text().splitlines()
    reasons = {json.loads(line)["id"].rpartition("/")[2]: json.loads(line)["reason"]
               for line in listed}  # fmt: skip
    assert set(reasons) == {"text.wav", "empty.wav", "short.wav", "silent.wav", "cut.wav"}
    assert len(Cache(tmp_path / "e.h5")) == 49


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["extract", "nowhere"], 2, "no such file or folder: nowhere"),
        (["extract", "."], 2, "contains no audio"),
        (["extract", ".", "--pooling", "median"], 2, "expected mean, std or max"),
        (["extract", "nowhere", "-v"], 2, "no such file or folder: nowhere"),
        (["extract", ".", "--frobnicate"], 2, "unrecognized arguments"),
        (["classify", "--cache", "none.h5"], 1, "python -m extract"),
        (["classify", "--head", "oracle"], 2, "choose from logreg"),
        (["classify", "predict", "nomodel", "x.wav"], 1, "classify train"),
        (["data", "scan", "nowhere"], 2, "no such file or folder"),
        (["data", "info", "none.h5"], 1, "python -m extract"),
        (["data", "frobnicate"], 2, "invalid choice"),
    ],
)
def test_mistakes_get_a_short_true_message(tmp_path, arguments, status, words):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert ("Traceback" in done.stderr) == ("-v" in arguments)


def test_layers_that_are_not_there(corpus, tmp_path):
    done = command("extract", corpus, "--model", "untrained:tiny", "--layers", "0-9",
                   "-o", tmp_path / "e.h5")  # fmt: skip
    assert done.returncode == 2
    assert "this encoder has 0 to 2" in done.stderr


@pytest.mark.parametrize("module", ["extract", "classify", "data"])
def test_help_is_quick_and_loads_nothing_heavy(module):
    code = (
        f"import runpy, sys; sys.argv = ['{module}', '--help']\n"
        f"try: runpy.run_module('{module}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m" in done.stdout


def test_ctrl_c_keeps_what_is_finished(corpus, tmp_path):
    some = tmp_path / "some"
    some.mkdir()
    for file in [*corpus.glob("[01]*.wav"), corpus / "labels.csv"]:
        shutil.copy(file, some)
    process = subprocess.Popen(
        [sys.executable, "-m", "extract", some, "--model", "untrained:small",
         "-o", tmp_path / "e.h5", "--batch-seconds", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as from a terminal
    )  # fmt: skip
    deadline = time.monotonic() + 120
    claim = tmp_path / "e.h5.parts" / "recipe.json"  # there when the encoder begins
    while not claim.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "run the same command again" in error
    kept = 0
    if (tmp_path / "e.h5.parts").exists():  # not if the very first batch was interrupted
        with Cache(tmp_path / "e.h5.parts") as finished:
            kept = len(finished)
    out = succeeds("extract", some, "--model", "untrained:small", "-o", tmp_path / "e.h5", "--json")
    assert json.loads(out)["cached"] == kept
    assert json.loads(out)["utterances"] == 24


def test_real_speech_from_audio_to_answers(speech, tmp_path):
    """A sample of the whole: two speakers of each corpus, of their odd files too."""
    for name in ("ravdess/Actor_01", "ravdess/Actor_02"):
        shutil.copytree(speech / name, tmp_path / name)
    (tmp_path / "emodb" / "wav").mkdir(parents=True)
    for file in (speech / "emodb" / "wav").glob("1[46]*.wav"):
        shutil.copy(file, tmp_path / "emodb" / "wav")
    out = succeeds("extract", "emodb", "ravdess", "--model", "untrained:tiny", "--json",
                   cwd=tmp_path)  # fmt: skip
    assert json.loads(out)["utterances"] == 120 + 140
    assert json.loads(out)["refused"] == []
    for corpus in ("emodb", "ravdess"):
        out = succeeds("classify", "--head", "logreg", "--corpus", corpus, "--json", cwd=tmp_path)
        metrics = json.loads(out)
        assert metrics["uar"] > 1.3 / len(metrics["classes"]), "an untrained encoder is not chance"
        assert len(metrics["folds"]) == 2
    out = succeeds("data", "verify", "embeddings.h5", "--sample", 5, "--corpus-root", "emodb",
                   "--corpus-root", "ravdess", cwd=tmp_path)  # fmt: skip
    assert "sound" in out


def test_a_head_predicts_new_speakers(speech, tmp_path):
    for part, speakers in (("known", "03 10 14 16"), ("new", "08 13")):
        (tmp_path / part / "wav").mkdir(parents=True)
        for speaker in speakers.split():
            for file in (speech / "emodb" / "wav").glob(f"{speaker}*.wav"):
                shutil.copy(file, tmp_path / part / "wav")
    succeeds("extract", "known", "--model", "untrained:tiny", cwd=tmp_path)
    out = succeeds("classify", "train", "-o", "model", "--head", "logreg", cwd=tmp_path)
    assert "leave one speaker out (4)" in out
    out = succeeds("classify", "predict", "model", "new", "--csv", cwd=tmp_path)
    letters = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness",
               "T": "sadness", "N": "neutral"}  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(out)))
    right = [row["emotion"] == letters[row["file"][-6]] for row in rows]
    assert len(rows) == 58 + 61
    assert np.mean(right) > 1.3 / 7, "an untrained encoder is not chance"


@pytest.mark.e2e
@pytest.mark.timeout(3600)
def test_all_of_emodb_and_ravdess(speech, tmp_path):
    out = succeeds("extract", speech / "emodb", speech / "ravdess", "--model", "untrained",
                   "--json", cwd=tmp_path)  # fmt: skip
    assert json.loads(out)["utterances"] == 535 + 720
    for head in ("logreg", "mlp"):
        out = succeeds("classify", "--head", head, "--corpus", "emodb", "--json", cwd=tmp_path)
        metrics = json.loads(out)
        print(head, metrics["uar"])
        assert metrics["uar"] >= 0.48
        for corpus in ("emodb", "ravdess"):
            print(succeeds("classify", "train", "-o", f"{head}-{corpus}", "--head", head,
                           "--corpus", corpus, cwd=tmp_path))  # fmt: skip
            card = json.loads((tmp_path / f"{head}-{corpus}/model.json").read_text())
            assert card["scores"]["overall"]["uar"] > 2 * card["scores"]["chance"]
            assert card["calibration"]["after"]["ece"] < 0.15
