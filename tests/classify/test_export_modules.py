"""Heads and encoders of any architecture as modules that export to ONNX."""

import io
import warnings
from copy import deepcopy
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from graphs import inputs
from scipy.special import softmax
from small_encoders import ARCHITECTURES, lively

from classify.export import check, write
from classify.export.graph import Graph
from classify.export.heads import module_of
from classify.features import Features
from classify.heads import HEADS, build, build_regressor
from classify.heads.linear import SoftmaxRegression
from classify.inference.model import Model
from data.errors import UsageError
from extract.encoders.checkpoint import Checkpoint
from extract.encoders.encoder import Encoder
from extract.engines.torch import TorchEngine
from extract.recipe import Request

REGRESSORS = [name for name, head in HEADS.items() if head.regressor]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("head", [name for name, head in HEADS.items() if not head.finetuned])
def test_a_head_alone_gives_its_probabilities(head: str, classes: int) -> None:
    rng = np.random.default_rng(classes)
    X, y = rng.normal(3, 1, (80, 24)).astype(np.float32), np.arange(80) % classes
    X[:, :classes] += 2 * np.eye(classes, dtype=np.float32)[y]
    fitted = build(head, parameters(head)).fit(X, np.array(list("abcd"))[y])
    unseen = rng.normal(3, 1, (200, 24)).astype(np.float32)
    for run in runs(module_of(fitted)):
        for rows in (X, unseen):
            shares = softmax(run(rows).astype(float), 1)
            np.testing.assert_allclose(shares, fitted.predict_proba(rows), atol=5e-6)


@pytest.mark.parametrize("head", REGRESSORS)
def test_a_regressor_alone_gives_its_numbers(head: str) -> None:
    rng = np.random.default_rng(1)
    X, unseen = rng.normal(3, 1, (2, 90, 24)).astype(np.float32)
    fitted = build_regressor(head, parameters(head)).fit(X, rng.normal(40, 5, (90, 2)))
    for run in runs(module_of(fitted)):
        np.testing.assert_allclose(run(unseen), fitted.predict(unseen), rtol=1e-5)


def parameters(head: str) -> dict:
    neural = {"layers": 3, "axis": "layer", "epochs": 2} if HEADS[head].neural else {}
    return neural | ({"random_state": 0} if HEADS[head].random else {})


def runs(module: torch.nn.Module) -> list:
    """A head's module in each runtime: (utterance, dim) → (utterance, output)."""
    noted = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.ones(2, 24),),
            noted,
            input_names=["x"],
            output_names=["logits"],
            dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=write.OPSET,
            dynamo=False,
        )
    started = (start(noted.getvalue()) for start in (check.onnxruntime, check.openvino))
    return [lambda rows, run=run: run({"x": rows}) for run in started]


def test_a_head_without_a_module_is_refused() -> None:
    with pytest.raises(UsageError, match="made of dict cannot be exported; train another"):
        module_of({})


EXPORTED = (
    "wav2vec2, layer norm", "hubert, batch norm", "wavlm", "data2vec", "sew", "sew-d",
    "conformer, relative", "conformer, rotary",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "normalise"),
    [
        pytest.param(name, number % 2 == 0, marks=[pytest.mark.torture] * (number % 3 == 1))
        for number, name in enumerate(EXPORTED)
    ],
)
def test_any_architecture(name: str, normalise: bool, waveform) -> None:
    """Held against the engine, which test_exactness holds against transformers alone."""
    network = lively(ARCHITECTURES[name]())
    encoder = Encoder.of(network, Checkpoint("test"), control=True, normalise=normalise)
    shortest = encoder.identity.receptive_field / 16_000
    waveforms = [waveform(n, seconds) for n, seconds in enumerate((1.0, shortest, 2.213))]
    request = Request(precision="float32", pooling=("mean", "std", "max"))
    engine = TorchEngine(replace(encoder, model=deepcopy(network)), request)
    ready = [w if not normalise else (w - w.mean()) / w.std() for w in waveforms]
    layers = engine.embed(ready).layers
    expected = np.concatenate([layers[p].mean(0) for p in ("mean", "std", "max")], 1)

    X = np.random.default_rng(0).normal(size=(20, expected.shape[1]))
    head = SoftmaxRegression().fit(X, np.arange(20) % 3)
    features = Features("mean", tuple(engine.recipe["layers"]), ("mean", "std", "max"))
    model = Model(
        head, features, {"recipe": engine.recipe, "classes": ["a", "b", "c"], "temperature": 1.0}
    )
    content = write.traced(Graph(model, replace(encoder, model=network)), {})
    graph = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    hidden, logits = graph.run(None, inputs(waveforms))
    np.testing.assert_allclose(hidden, expected, atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(softmax(logits, 1), head.predict_proba(expected), atol=1e-5)
    for run in (check.onnxruntime(content), check.openvino(content)):
        np.testing.assert_allclose(run(inputs(waveforms)), logits, atol=1e-4)


def test_an_encoder_that_cannot_be_traced_is_refused(tmp_path) -> None:
    lively(ARCHITECTURES["whisper"]()).save_pretrained(tmp_path / "encoder")
    recipe = {"precision": "float32", "model": "encoder"}
    model = Model(None, None, {"recipe": recipe, "encoder_location": str(tmp_path / "encoder")})
    with pytest.raises(UsageError, match=r"encoder is a whisper, which cannot be exported to ONNX"):
        write.export(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
