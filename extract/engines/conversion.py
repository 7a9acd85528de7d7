"""Convert an encoder to graphs for OpenVINO, with torch.

The first graph computes features of a block of samples. The second computes pooled layers from the
features of a batch, including masking.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino
import torch

from data.cache.recipe import Recipe
from data.errors import EncoderError
from extract.encoders.convolutions import Convolutions
from extract.encoders.encoder import Encoder
from extract.encoders.first_layer import FirstLayer
from extract.encoders.pooled import PooledEncoder

log = logging.getLogger("wav2emo")

CPU = torch.device("cpu")
TYPES = {torch.float32: openvino.Type.f32, torch.bool: openvino.Type.boolean}


@dataclass(frozen=True)
class Graphs:
    """An encoder for OpenVINO."""

    first: FirstLayer
    convolutions: openvino.Model
    transformer: openvino.Model


def convert(encoder: Encoder, recipe: Recipe) -> Graphs:
    """Convert an encoder; this changes its model.

    In bfloat16, OpenVINO's own convolutions are faster than matrix products, in float32 slower.

    Raises:
        EncoderError: OpenVINO cannot convert it.
    """
    native = encoder.architecture.native_front_end(encoder.model)
    pooled = PooledEncoder(encoder, recipe)
    example = [np.zeros(samples, np.float32) for samples in (16_000, 8_000)]
    batch = pooled.batch(example, CPU)
    features = pooled.features(batch)
    front_end = pooled.front_end
    assert isinstance(front_end, Convolutions)  # as of all that are traceable
    layer = front_end.first(CPU)
    first = FirstLayer(layer.kernels.numpy(), layer.bias.numpy(), layer.weight.numpy(), layer.eps)
    if recipe["precision"] == "bfloat16":
        channels = torch.ones(1, len(first.bias), 1)
        convolutions = _graph(native, (batch.samples[:1], channels, channels))
    else:
        kernels = front_end.first_layer(batch.samples[:1], batch.lengths[:1])
        convolutions = _graph(front_end, (batch.samples[:1], kernels))
    steps = () if batch.steps is None else (batch.steps,)
    return Graphs(first, convolutions, _graph(pooled, (features, batch.valid, *steps)))


def _graph(module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> openvino.Model:
    shapes = [(openvino.PartialShape([-1] * one.ndim), TYPES[one.dtype]) for one in inputs]
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracer warnings on shapes, which are all dynamic
            return openvino.convert_model(module.eval(), input=shapes, example_input=tuple(inputs))
    except Exception as error:  # undocumented, of many types
        log.debug("%s", error)
        raise EncoderError(
            "OpenVINO cannot convert this encoder (-v shows the reason); use --engine torch"
        ) from error
