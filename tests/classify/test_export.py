"""Exported graphs in onnxruntime and OpenVINO agree with the model, for any batch."""

import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
from graphs import inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from classify.commands import export as command
from classify.export import check, write
from classify.export.check import Deviation, compare, noise
from classify.export.graph import Graph
from classify.heads import HEADS
from classify.inference.model import Model
from classify.inference.predictor import Predictor
from classify.models.train import train
from classify.options import Options
from classify.training_options import TrainingOptions
from data import console
from data.errors import EncoderError, ModelError, UsageError
from extract import audio
from extract.__main__ import main as extract
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.encoder import load, untrained_model

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
SHORTEST = 400  # samples
SEQUENTIAL = [name for name, head in HEADS.items() if head.sequences]
REGRESSORS = [name for name, head in HEADS.items() if head.regressor]


@pytest.fixture(scope="module")
def cache(tmp_path_factory, waveform) -> Path:
    """24 recordings in three classes and with two ratings: pooled layers, and sequences."""
    root = tmp_path_factory.mktemp("export")
    lines = ["file,emotion,speaker,arousal,valence"]
    for number in range(24):
        name = f"{number:02}.wav"
        soundfile.write(root / name, waveform(number, 0.2 + 0.05 * (number % 5)), 16_000)
        emotion = ("anger", "sadness", "neutral")[number % 3]
        lines.append(f"{name},{emotion},s{number % 4},{number % 3 + number / 20},{number / 7}")
    (root / "rated.csv").write_text("\n".join(lines) + "\n")
    out = root / "embeddings.h5"
    kept = ["--pooling", "mean,std,max", "--sequence", "12", "--precision", "float32"]
    assert (
        extract([str(root / "rated.csv"), "--model", "untrained:tiny", "-o", str(out), "-q", *kept])
        == 0
    )
    return out


def trained(cache: Path, head: str = "logreg", **options) -> Model:
    training = TrainingOptions(epochs=3) if HEADS[head].neural else TrainingOptions()
    return train(Options(cache=cache, head=head, training=training, **options), scored=False)


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def probabilities(model: Model, waveforms: list[np.ndarray]) -> np.ndarray:
    """(waveform, class), as `predict` gives them."""
    answers = Predictor.open(model, "cpu").waveforms(waveforms)
    return np.array([list(answer.probabilities.values()) for answer in answers])


@pytest.fixture(scope="module")
def exported(cache: Path, tmp_path_factory) -> tuple[Model, Path]:
    """A logistic regression and its graph."""
    model, path = trained(cache), tmp_path_factory.mktemp("exported") / "model.onnx"
    write.export(model, path)
    return model, path


CHOICES = [
    ("mlp", {}),
    ("gru", {}),
    ("forest", {"layer": 1, "poolings": ("max",)}),
    ("ridge", {"target": "arousal,valence"}),
]
MORE = [
    *((head, {}) for head in HEADS if head not in ("mlp", "gru", "finetuned")),
    *((head, {"axis": "layer"}) for head in ("gru", "attention", "transformer")),
    *((head, {"target": "arousal,valence"}) for head in REGRESSORS if head != "ridge"),
    ("mlp", {"layer": "mean", "poolings": ("std", "mean")}),
    ("mlp", {"normalize": "none"}),
    ("gru", {"layer": "mix"}),
    ("attention", {"layer": 0}),
]


@pytest.mark.parametrize(
    ("head", "options"),
    CHOICES + [pytest.param(*choice, marks=pytest.mark.e2e) for choice in MORE],
    ids=lambda each: each if isinstance(each, str) else "-".join(map(str, each.values())) or "0",
)
def test_a_graph_equals_its_model(cache, tmp_path, waveform, head, options) -> None:
    model, path = trained(cache, head, **options), tmp_path / "model.onnx"
    written = write.export(model, path)  # holds the graph against the model in both runtimes
    names = [agreement.runtime.split()[0] for agreement in written.agreements]
    assert names == ["onnxruntime", "OpenVINO"]
    waveforms = [waveform(n, seconds) for n, seconds in enumerate((0.5, 0.025, 1.3))]
    hidden, logits = session(path).run(["hidden_states", "logits"], inputs(waveforms))
    result = logits if model.targets else softmax(logits.astype(float), 1)
    embedder = Predictor.open(model, "cpu").embedder
    for row, embedding in enumerate(embedder.waveforms(waveforms)):
        X = model.features.of_embedding(model.recipe, embedding.layers, embedding.sequence)
        (expected,) = model.of_features(X)
        np.testing.assert_allclose(result[row], expected, atol=1e-4)
        x = X[0]
        if model.features.sequences:
            width = 32 * (1 + len(model.features.poolings))
            x = x.reshape(-1, embedding.sequence.shape[1], width).mean(1).ravel()
        np.testing.assert_allclose(hidden[row], x, atol=1e-4)
    assert written.dim == hidden.shape[1]


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(SHORTEST, 24_000), min_size=1, max_size=5),
    padding=st.integers(0, 5_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_recording_does_not_depend_on_its_batch(exported, lengths, padding, seed) -> None:
    graph = session(exported[1])
    rng = np.random.default_rng(seed)
    loudness = 10 ** rng.uniform(-3, 0, len(lengths))
    waveforms = [
        (rng.normal(rng.uniform(-0.2, 0.2), scale, length)).astype(np.float32)
        for scale, length in zip(loudness, lengths, strict=True)
    ]
    together = graph.run(None, inputs(waveforms, padding))
    alone = [graph.run(None, inputs([waveform])) for waveform in waveforms]
    for output in range(2):
        expected = np.concatenate([each[output] for each in alone])
        np.testing.assert_allclose(together[output], expected, rtol=1e-4, atol=1e-4)


def test_the_shortest_beside_ten_seconds(exported, waveform) -> None:
    model, path = exported
    waveforms = [waveform(1, SHORTEST / 16_000), waveform(2, 10)]
    (logits,) = session(path).run(["logits"], inputs(waveforms))
    np.testing.assert_allclose(softmax(logits, 1), probabilities(model, waveforms), atol=1e-5)


def test_sequences_of_other_lengths_than_any_in_training(cache, tmp_path, waveform) -> None:
    model, path = trained(cache, "gru"), tmp_path / "model.onnx"
    write.export(model, path)
    waveforms = [waveform(n, seconds) for n, seconds in enumerate((0.03, 12, 3))]
    (logits,) = session(path).run(["logits"], inputs(waveforms))
    np.testing.assert_allclose(softmax(logits, 1), probabilities(model, waveforms), atol=1e-4)


def test_the_temperature_is_in_the_graph(cache: Path, waveform) -> None:
    model = trained(cache)
    hot = replace(model, card={**model.card, "temperature": 2.5})
    given = [
        torch.from_numpy(each) for each in inputs([waveform(1, 0.4), waveform(2, 0.7)]).values()
    ]
    cold, scaled = (Graph(m, load(Checkpoint("untrained:tiny")))(*given)[1] for m in (model, hot))
    np.testing.assert_allclose(scaled, cold / 2.5, rtol=1e-5)


def test_another_model_s_graph_is_reported(cache: Path, exported) -> None:
    content = exported[1].read_bytes()
    predictor = Predictor.open(trained(cache, "ridge"), "cpu")
    with pytest.raises(ModelError, match=r"onnxruntime [\d.]+ gives other answers than the model"):
        check.check(content, predictor, noise(SHORTEST))
    with pytest.raises(ModelError, match="cannot run the graph"):
        check.check(content[:-1000], predictor, noise(SHORTEST))


def test_differences_are_measured_on_probabilities_and_logits() -> None:
    shares = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    with np.errstate(divide="ignore"):
        logits = np.log(shares) + [[7], [-3]]  # a constant in a row means nothing
    same = compare("any", logits, shares, classes=True)
    assert same.holds
    assert same.probabilities < 1e-12
    for place, change in (((0, 0), 2e-3), ((1, 2), np.nan), ((0, 2), 5.0)):
        other = logits.copy()
        other[place] = change
        assert not compare("any", other, shares, classes=True).holds
    numbers = np.array([[1000.0, 0.1]])
    assert compare("any", numbers + [[0.01, 0]], numbers, classes=False).logits == pytest.approx(
        1e-5
    )
    assert not compare("any", numbers + [[0, 0.01]], numbers, classes=False).holds
    assert not Deviation("any", float("nan"), 0.0).holds


def test_the_graph_has_metadata(exported) -> None:
    model, path = exported
    about = session(path).get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["anger", "neutral", "sadness"]
    assert about["fingerprint"] == model.card["fingerprint"]
    assert about["encoder"] == "untrained control (tiny)"
    assert [about[name] for name in ("head", "sampling_rate", "shortest", "temperature")] == [
        "logreg",
        "16000",
        "400",
        "1.0",
    ]
    graph = onnx.load(path).graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {
        "signal": ["batch", "sample"],
        "lengths": ["batch"],
        "hidden_states": ["batch", 3 * 32],
        "logits": ["batch", 3],
    }
    assert str(Path.cwd()).encode() not in path.read_bytes()


def test_the_example_in_the_docs_runs(exported, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    (tmp_path / "model.onnx").write_bytes(exported[1].read_bytes())
    soundfile.write(tmp_path / "a.wav", noise(SHORTEST)[2], 16_000)
    soundfile.write(tmp_path / "b.wav", noise(SHORTEST)[3], 16_000)
    isolated = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=isolated, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    files = [soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("a.wav", "b.wav")]
    for line, shares in zip(
        done.stdout.splitlines(), probabilities(exported[0], files), strict=True
    ):
        result = dict(re.findall(r"(\w+) ([\d.]+)", line))
        np.testing.assert_allclose([float(result[c]) for c in sorted(result)], shares, atol=0.006)


@pytest.fixture(scope="module")
def folder(exported, tmp_path_factory) -> Path:
    """The model's folder."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    exported[0].save(folder)
    return folder


def test_the_command_prints_the_measured_differences(folder, tmp_path, capsys, waveform) -> None:
    soundfile.write(tmp_path / "a.flac", waveform(1, 0.7, 8_000), 8_000)
    out = tmp_path / "model.onnx"
    assert command.main([str(folder), "-o", str(out), "--check", str(tmp_path / "a.flac")]) == 0
    result = capsys.readouterr().out
    assert "hidden_states  (batch, 96)" in result
    assert "1 recording, 0.7–0.7 s" in result
    assert re.search(
        r"onnxruntime [\d.]+ +probabilities by [\d.]+e-\d+, logits by [\d.]+e-", result
    )
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "no/such/model.onnx"], "no folder no/such; make it first"),
        (["-o", "."], "a folder is there; name a file"),
        (["-o", "x.onnx", "--check", "none.wav"], "--check none.wav: No such file"),
        (["-o", "x.onnx", "--check", "text.wav"], "--check text.wav: not audio"),
    ],
)
def test_bad_input_is_reported(folder, tmp_path, monkeypatch, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("no audio, but words")
    with pytest.raises(UsageError, match=message):
        command.main([str(folder), *arguments])
    assert [file.name for file in tmp_path.iterdir()] == ["text.wav"]


def test_a_folder_without_a_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="python -m classify train"):
        command.main([str(tmp_path), "-o", str(tmp_path / "model.onnx")])


def test_a_missing_extra_is_reported(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(command, "NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(UsageError, match=r"no_such_package is not .* 'wav2emo\[onnx\]'"):
        command.main([str(folder), "-o", str(tmp_path / "model.onnx")])


def test_too_large_a_model_is_reported(exported, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(write, "MOST_BYTES", 1_000)
    with pytest.raises(UsageError, match="train it on lower ones"):
        write.export(exported[0], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_older_file(folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "model.onnx"
    out.write_text("older")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        assert console.run(lambda: command.main([str(folder), "-o", str(out)])) == 74
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "free some space" in capsys.readouterr().err
    assert out.read_text() == "older"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_an_encoder_that_has_moved(tmp_path: Path, waveform) -> None:
    there, moved, cache = tmp_path / "there", tmp_path / "moved", tmp_path / "cache.h5"
    untrained_model("untrained:tiny").save_pretrained(there)
    for number in range(8):
        file = (
            tmp_path / "corpus" / ("anger", "sadness")[number % 2] / f"s{number // 2}_{number}.wav"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, waveform(number, 0.3), 16_000)
    extracted = [str(tmp_path / "corpus"), "--model", str(there), "-o", str(cache), "-q"]
    assert extract([*extracted, "--engine", "torch", "--precision", "float32"]) == 0
    model = trained(cache)
    there.rename(moved)
    with pytest.raises(EncoderError, match="no model at"):
        write.export(model, tmp_path / "model.onnx")
    write.export(model, tmp_path / "model.onnx", encoder=str(moved))
    assert (tmp_path / "model.onnx").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("encoder", "head"),
    [
        ("untrained:tiny", "logreg"),
        pytest.param("untrained", "logreg", marks=pytest.mark.e2e),
        pytest.param("untrained", "mlp", marks=pytest.mark.e2e),
    ],
)
def test_real_speech(speech: Path, tmp_path: Path, encoder: str, head: str) -> None:
    """Emo-DB and RAVDESS, and from the same voices 25 ms and half a minute."""
    german = sorted((speech / "emodb" / "wav").glob("0[38]*.wav"))[::6]
    english = sorted((speech / "ravdess" / "Actor_01").glob("*.*"))[::7]
    cache, out = tmp_path / "cache.h5", tmp_path / "model.onnx"
    (tmp_path / "emodb").mkdir()
    for file in german:
        (tmp_path / "emodb" / file.name).symlink_to(file)
    copies = [str(tmp_path / "emodb"), "--follow-links", "--model", encoder, "-o", str(cache), "-q"]
    assert extract([*copies, "--precision", "float32"]) == 0
    joined = np.concatenate([audio.read(file).waveform for file in english])
    for name, samples in (("short", joined[16_000 : 16_000 + SHORTEST]), ("long", joined)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
    heard = [*german[:3], *english[:3], tmp_path / "short.wav", tmp_path / "long.wav"]
    written = write.export(trained(cache, head), out, recordings=heard)
    assert max(written.seconds) > 20
    assert min(written.seconds) == SHORTEST / 16_000
    assert len(written.agreements) == 2
