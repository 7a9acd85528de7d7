"""Export a trained model to an ONNX file and compare the outputs of both.

torch's tracing exporter runs the graph once and records its operations; the newer exporter needs
another package. All shapes come from tensors, so the recorded graph is valid for any batch, which
`classify.export.check` verifies.
"""

import io
import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import onnx
import torch

from classify.export.check import Deviation, check, noise
from classify.export.graph import Graph
from classify.inference.predictor import Predictor
from classify.models.trained import TrainedHead
from data.atomic import publish_bytes
from data.cache.recipe import encoder_name
from data.errors import AudioError, UsageError
from extract import audio
from extract.encoders.checkpoint import find
from extract.encoders.encoder import load

log = logging.getLogger("wav2emo")

OPSET = 17  # onnxruntime from 1.12 on, OpenVINO from 2023 on
MOST_BYTES = (
    2_000_000_000  # of weights: a message of protobuf, and so an ONNX file, has below 2 GiB
)
AXES = {
    "signal": {0: "batch", 1: "sample"},
    "lengths": {0: "batch"},
    "hidden_states": {0: "batch"},
    "logits": {0: "batch"},
}
EXAMPLE = (8_000, 16_000)  # samples of two utterances, so that one is padded


@dataclass(frozen=True)
class Exported:
    """Size of an exported graph, and its deviations from the model."""

    bytes: int
    dim: int  # of hidden_states
    shortest: int  # samples
    seconds: tuple[float, ...]  # of what it was checked on
    agreements: list[Deviation]


def export(
    model: TrainedHead, path: Path, encoder: str | None = None, recordings: Sequence[Path] = ()
) -> Exported:
    """Write `model` and its encoder to `path` as one ONNX graph, if its outputs equal the model's.

    Args:
        model: a trained head.
        path: the file; an existing file is replaced at the end.
        encoder: the folder of the model's encoder, if it has moved.
        recordings: audio files to check the graph on; none: seeded noise.

    Raises:
        EncoderError, RecipeMismatch: the model's encoder is not available.
        ModelError: the outputs of graph and model differ.
        UsageError: the model is too large, or a recording cannot be read.
        OSError: the disk is full or cannot be written; `path` has not changed.
    """
    if model.recipe["precision"] != "float32":
        log.info(
            "trained on embeddings in %s; the graph computes float32, and is checked against that",
            model.recipe["precision"],
        )
    model = replace(model, card={**model.card, "recipe": model.recipe | {"precision": "float32"}})
    place = encoder or model.card["encoder_location"] or model.recipe["model"]
    loaded = load(find(place))
    if not loaded.identity.traceable:
        raise UsageError(
            f"{loaded.identity.name} is a {loaded.identity.architecture}, which cannot be exported "
            "to ONNX; 'python -m classify predict' and 'serve' run it"
        )
    predictor = Predictor.open(model, "cpu", encoder)
    shortest = predictor.embedder.engine.receptive_field
    waveforms = [_read(file, shortest) for file in recordings] or noise(shortest)
    graph = Graph(model, loaded)
    content = traced(graph, about(model, shortest))
    agreements = check(content, predictor, waveforms)
    publish_bytes(path, content)
    seconds = tuple(len(waveform) / audio.SAMPLING_RATE for waveform in waveforms)
    return Exported(len(content), graph.dim, shortest, seconds, agreements)


def traced(graph: Graph, about: dict[str, str]) -> bytes:
    """The ONNX file of a graph, with `about` as its metadata.

    Raises:
        UsageError: the graph is too large for one file.
    """
    size = sum(weights.nbytes for weights in graph.parameters())
    if size > MOST_BYTES:
        raise UsageError(
            f"{size / 1e9:.1f} GB of weights; an ONNX file holds {MOST_BYTES / 1e9:.0f} GB. Layers "
            "above the head's highest are left out: train it on lower ones, such as --layer 12"
        )
    noted = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on values that become constants: none that depends on x
        torch.onnx.export(
            graph,
            (torch.zeros(len(EXAMPLE), max(EXAMPLE)), torch.tensor(EXAMPLE)),
            noted,  # type: ignore[arg-type]  # this exporter takes a file
            input_names=["signal", "lengths"],
            output_names=["hidden_states", "logits"],
            dynamic_axes=AXES,
            opset_version=OPSET,
            dynamo=False,
        )
    proto = onnx.load_model_from_string(noted.getvalue())
    onnx.helper.set_model_props(proto, about)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def about(model: TrainedHead, shortest: int) -> dict[str, str]:
    """Metadata of the ONNX file: name → text.

    Args:
        model: the model of the graph.
        shortest: samples that the encoder needs.
    """
    known = {
        "wav2emo": version("wav2emo"),
        "head": model.card["head"],
        "features": str(model.features),
        "encoder": encoder_name(model.recipe),
        "fingerprint": model.card["fingerprint"],
        "corpora": list(model.card["corpora"]),
        "target": model.card["target"],
        "classes": model.classes,
        "targets": model.targets,
        "temperature": model.temperature,
        "sampling_rate": model.recipe["sampling_rate"],
        "shortest": shortest,
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in known.items()
    }


def _read(file: Path, shortest: int) -> audio.Waveform:
    try:
        return audio.read(file, shortest=shortest).waveform
    except AudioError as error:
        raise UsageError(f"--check {file}: {error}") from None
    except OSError as error:
        raise UsageError(f"--check {file}: {error.strerror}") from None
