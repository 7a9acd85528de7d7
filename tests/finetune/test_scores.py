"""From tuned encoders to scores: each fold by the encoder that has not heard its test part."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
import torch
import transformers
from safetensors.torch import load_file
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tunings import PATTERN, PLAIN

from classify.commands.compare import main as compare
from classify.commands.evaluate import main as evaluate
from classify.commands.export import main as export
from classify.commands.predict import main as predict
from classify.commands.probe import main as probe
from classify.commands.train import main as train
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.errors import CacheError, EncoderError, RecipeMismatch, UsageError
from extract.__main__ import main as extract


def scored(cache: Path, out: Path, *more: str) -> pd.DataFrame:
    command = ["--cache", str(cache), "--out", str(out), "-q", *more]
    assert evaluate([*command, "--head", "sklearn.naive_bayes:GaussianNB"]) == 0
    return pd.read_csv(out / "predictions.csv")


def test_each_fold_is_tested_by_its_own_encoder(by_fold, tuned, tmp_path):
    """Oracle: scikit-learn on the cache of each fold."""
    found = scored(by_fold, tmp_path / "run").set_index("id")
    about = json.loads((tuned / "finetune.json").read_text())["about"]
    for number, fold in enumerate(about["folds"]):
        cache = Cache(by_fold / f"fold-{number}.h5")
        X = np.concatenate([cache.embeddings(name).mean(0) for name in ("mean", "std")], 1)
        ids = cache.utterances["id"].to_numpy(str)
        emotion = cache.utterances["emotion"].to_numpy(str)
        test = np.isin(ids, fold["tested"])
        head = make_pipeline(StandardScaler(), GaussianNB()).fit(X[~test], emotion[~test])
        expected = dict(zip(ids[test], head.predict(X[test]), strict=True))
        assert found["prediction"][fold["tested"]].to_dict() == expected
        assert set(found["fold"][fold["tested"]]) == {number}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["encoder"] == "tuned (an encoder per fold)"
    assert metrics["split"] == "folds of the fine-tuning"
    assert "heard" not in metrics


def test_neural_and_linear_heads_and_curves_use_the_folds(by_fold, tmp_path):
    for head in ("logreg", "mlp"):
        command = ["--cache", str(by_fold), "--out", str(tmp_path / head), "--head", head, "-q"]
        assert evaluate(command) == 0
    assert probe(["--cache", str(by_fold), "--out", str(tmp_path / "p"), "--quick", "-q"]) == 0
    curve = json.loads((tmp_path / "p" / "probe.json").read_text())
    one = tmp_path / "layer"
    command = ["--cache", str(by_fold), "--out", str(one), "--head", "logreg", "--layer", "1", "-q"]
    assert evaluate(command) == 0
    uar = json.loads((one / "metrics.json").read_text())["uar"]
    layers = curve["targets"]["emotion"]["layers"]
    assert layers[1]["uar"] == pytest.approx(uar)
    out = ["--out", str(tmp_path / "c"), "-q"]
    assert compare(["--cache", str(by_fold), "--heads", "logreg,ridge", *out]) == 0


def test_a_full_probe_uses_the_encoder_of_each_fold(by_fold, tmp_path):
    """Oracle: where all encoders are the same one, a probe of its cache under the same folds."""
    same = tmp_path / "same"
    shutil.copytree(by_fold, same)
    for number in (1, 2):
        shutil.copy(by_fold / "fold-0.h5", same / f"fold-{number}.h5")
    found = []
    for cache, folds in ((same, []), (by_fold / "fold-0.h5", ["--folds", "3"])):
        out = tmp_path / str(len(found))
        command = ["--cache", str(cache), "--out", str(out), "--shuffles", "3", "-q", *folds]
        assert probe([*command, "--remove", "speaker", "--allow-heard"]) == 0
        found.append(json.loads((out / "probe.json").read_text())["targets"]["emotion"])
    repeated, one = found
    for part in ("layers", "selection", "poolings", "controls", "removed"):
        assert flat(repeated[part]) == pytest.approx(flat(one[part])), part


def flat(value: object) -> list[float]:
    """All numbers of a JSON value, in their order."""
    if isinstance(value, dict):
        return [number for part in value.values() for number in flat(part)]
    if isinstance(value, list):
        return [number for part in value for number in flat(part)]
    return [float(value)] if isinstance(value, (int, float)) else []


def test_a_model_has_the_encoder_of_all_speakers_and_the_scores_of_the_folds(
    by_fold, tuned, recordings, tmp_path, capsys
):
    shared = ["--cache", str(by_fold), "--head", "logreg", "-q"]
    assert train([*shared, "-o", str(tmp_path / "model")]) == 0
    assert evaluate([*shared, "--out", str(tmp_path / "run")]) == 0
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert card["encoder_location"] == str(tuned / "all")
    assert card["recipe"]["weights"] == Cache(by_fold / "all.h5").recipe["weights"]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert card["scores"]["overall"]["uar"] == pytest.approx(metrics["uar"])
    capsys.readouterr()
    some = sorted(recordings.rglob("*_0.wav"))[:3]
    assert predict([str(tmp_path / "model"), *map(str, some), "--json", "-q"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert {answer["emotion"] for answer in answers} <= {"anger", "sadness"}
    assert export([str(tmp_path / "model"), "-o", str(tmp_path / "model.onnx"), "-q"]) == 0


def test_the_tuned_head_itself_is_scored_compared_saved_and_exported(
    by_fold, tuned, recordings, tmp_path, capsys
):
    """Oracles: the predictions of the fine-tuning; transformers and the linear layer on a file."""
    shared = ["--cache", str(by_fold), "--head", "finetuned", "-q"]
    assert evaluate([*shared, "--out", str(tmp_path / "run")]) == 0
    found = pd.read_csv(tmp_path / "run" / "predictions.csv").set_index("id")
    own = pd.read_csv(tuned / "predictions.csv").set_index("id").loc[found.index]
    np.testing.assert_allclose(found[["anger", "sadness"]], own[["anger", "sadness"]], atol=1e-4)

    model = tmp_path / "model"
    assert train([*shared, "-o", str(model)]) == 0
    card = json.loads((model / "model.json").read_text())
    assert card["encoder_location"] == str(tuned / "all")
    file = min(recordings.rglob("*.wav"))
    capsys.readouterr()
    assert predict([str(model), str(file), "--json", "-q"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    encoder = transformers.AutoModel.from_pretrained(tuned / "all").eval()
    samples, rate = soundfile.read(file, dtype="float32")
    samples = soxr.resample(samples, rate, 16_000, quality="HQ")
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        hidden = encoder(torch.from_numpy(samples)[None]).last_hidden_state[0]
    head = load_file(tuned / "all" / "head.safetensors")
    pooled = torch.cat([hidden.mean(0), hidden.std(0, correction=0)])
    scores = head["linear.weight"] @ pooled + head["linear.bias"]
    expected = (scores / card["temperature"]).softmax(0)
    assert answer["probabilities"]["anger"] == pytest.approx(float(expected[0]), abs=1e-4)
    assert export([str(model), "-o", str(tmp_path / "model.onnx"), "-q"]) == 0

    out = ["--cache", str(by_fold), "--out", str(tmp_path / "c"), "-q"]
    assert compare([*out, "--heads", "finetuned,logreg"]) == 0


def test_the_tuned_head_is_refused_where_it_does_not_fit(by_fold, recordings, tmp_path):
    plain = str(tmp_path / "plain.h5")
    assert (
        extract([str(recordings), *PATTERN, "--model", "untrained:tiny", "-o", plain, *PLAIN]) == 0
    )
    out = ["--head", "finetuned", "--out", str(tmp_path / "run"), "-q"]
    with pytest.raises(UsageError, match=r"has no head.safetensors; it is for caches of encoders"):
        evaluate(["--cache", plain, *out])
    with pytest.raises(UsageError, match="leave out --layer"):
        evaluate(["--cache", str(by_fold), *out, "--layer", "1"])
    with pytest.raises(UsageError, match=r"trained for anger, sadness; selected: other, sadness"):
        evaluate(["--cache", str(by_fold), *out, "--labels", "other=anger,sadness"])


def test_other_folds_and_all_that_needs_one_encoder_are_refused(by_fold, tmp_path):
    out = ["--cache", str(by_fold), "--out", str(tmp_path / "run"), "-q"]
    with pytest.raises(UsageError, match=r"--folds speaker: .* leave --folds out"):
        evaluate([*out, "--head", "logreg", "--folds", "speaker"])
    with pytest.raises(UsageError, match="an encoder per fold"):
        evaluate([*out, "--head", "logreg", "--tune", "3"])
    with pytest.raises(UsageError, match="--mdl needs the layers of one encoder"):
        probe([*out, "--mdl"])
    folds = tmp_path / "folds"
    shutil.copytree(by_fold, folds)
    (folds / "all.h5").unlink()
    with pytest.raises(UsageError, match=r"run the same 'python -m extract finetune' with --all"):
        train(["--cache", str(folds), "-o", str(tmp_path / "model"), "--head", "logreg", "-q"])


@pytest.mark.parametrize(
    "method",
    ["lora", *(pytest.param(m, marks=pytest.mark.torture) for m in ("top:1", "encoder", "full"))],
)
def test_layers_shared_by_encoders_are_computed_once(recordings, tmp_path, capsys, method):
    """Oracle: the cache of each encoder alone."""
    tuned = tmp_path / "tuned"
    command = ["finetune", str(recordings), "-o", str(tuned), *PATTERN, "--model", "untrained:tiny",
               "--folds", "2", "--epochs", "1", "--method", method, "--device", "cpu",
               "--learning-rate", "0.01", "--batch-seconds", "4", "-q"]  # fmt: skip
    assert extract(command) == 0
    out = tmp_path / "out"
    shared = [str(recordings), *PATTERN, *PLAIN[:-1], "--sequence", "5"]
    capsys.readouterr()
    assert extract([*shared, "--model", str(tuned), "-o", str(out)]) == 0
    expected = {"top:1": "layers 0 to 1", "lora": "layer 0", "encoder": "the front end",
                "full": "they share nothing"}  # fmt: skip
    assert expected[method] in "".join(capsys.readouterr())
    caches = []
    for number in (0, 1):
        alone = tmp_path / f"{number}.h5"
        assert extract([*shared, "--model", str(tuned / f"fold-{number}"), "-o", str(alone)]) == 0
        with Cache(alone) as one, Cache(out / f"fold-{number}.h5") as other:
            assert one.recipe == other.recipe
            assert one.utterances["id"].tolist() == other.utterances["id"].tolist()
            assert one.utterances["heard"].tolist() == other.utterances["heard"].tolist()
            for pooling in one.poolings:
                np.testing.assert_allclose(
                    one.embeddings(pooling), other.embeddings(pooling), rtol=1e-4, atol=1e-5
                )
            for layer in one.sequence_layers:
                for a, b in zip(one.sequences(layer), other.sequences(layer), strict=True):
                    np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
            caches.append(other.embeddings("mean"))
    assert not np.allclose(caches[0][-1], caches[1][-1], rtol=1e-3)


def test_an_interrupted_extraction_by_all_encoders_resumes(tuned, recordings, tmp_path):
    """A cache was packed, another one was not begun; a recording is new."""
    some, out = tmp_path / "corpus", tmp_path / "out"
    shutil.copytree(recordings, some)
    new = max(some.rglob("*.wav"))
    kept = new.rename(tmp_path / "kept.wav")
    command = [str(some), *PATTERN, "--model", str(tuned), "-o", str(out), *PLAIN]
    assert extract(command) == 0
    (out / "fold-1.h5").unlink()
    shutil.rmtree(out / "fold-1.h5.parts", ignore_errors=True)
    kept.rename(new)
    assert extract(command) == 0
    lengths = [len(Cache(file)) for file in sorted(out.glob("*.h5"))]
    assert lengths == [48] * 4
    assert extract(command) == 0


def test_a_dry_run_leaves_nothing(tuned, recordings, tmp_path, capsys):
    command = [str(recordings), *PATTERN, "--model", str(tuned), "-o", str(tmp_path / "out"), "-q"]
    assert extract([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("48 of 48 utterances would be embedded") == 4
    assert not (tmp_path / "out").exists()


def test_a_second_extraction_does_nothing(by_fold, tuned, recordings, capsys):
    before = {path: path.stat().st_mtime_ns for path in by_fold.iterdir() if path.suffix == ".h5"}
    command = [str(recordings), *PATTERN, "--model", str(tuned), "-o", str(by_fold), *PLAIN]
    assert extract(command) == 0
    assert "already in the cache" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_caches_of_other_encoders_are_not_mixed(by_fold, tuned, recordings, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tuned, other)
    about = json.loads((other / "finetune.json").read_text())
    about["fingerprint"] = "0" * 64
    (other / "finetune.json").write_text(json.dumps(about))
    copy = tmp_path / "caches"
    shutil.copytree(by_fold, copy)
    with pytest.raises(RecipeMismatch, match="caches of another fine-tuning"):
        extract([str(recordings), *PATTERN, "--model", str(other), "-o", str(copy), *PLAIN])
    shutil.rmtree(other / "fold-1")
    with pytest.raises(EncoderError, match="fold-1 of 3 folds is missing"):
        extract([str(recordings), *PATTERN, "--model", str(other), "-o", str(copy), *PLAIN])
    (copy / "fold-2.h5").unlink()
    with pytest.raises(CacheError, match=r"fold-2\.h5"):
        FoldedCache(copy)
