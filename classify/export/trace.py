"""Trace a graph into the bytes of an ONNX file.

torch's tracing exporter runs the graph once and records its operations; the newer exporter needs
another package. All shapes come from tensors, so the recorded graph is valid for any batch, which
`classify.export.check` verifies.
"""

import io
import json
import warnings
from importlib.metadata import version

import onnx
import torch

from classify.export.graph import Graph
from classify.models.trained import TrainedHead
from data.cache.recipe import encoder_name
from data.errors import UsageError

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
