"""Engines run an encoder on batches; their results differ only by rounding."""

from importlib.util import find_spec

from data.errors import UsageError
from extract.encoders.checkpoint import find
from extract.engines.base import BFLOAT16_IS_QUICKER, Engine, Pooled
from extract.recipe import Request

__all__ = ["BFLOAT16_IS_QUICKER", "Engine", "Pooled", "open_engine"]


def open_engine(model: str, request: Request, device: str = "auto") -> Engine:
    """Load the encoder `model`, and open an engine on a device (``auto``, ``cpu``, ``cuda``,
    ``cuda:1``, ``mps``).

    Raises:
        EncoderError: the encoder cannot be loaded.
        UsageError: the device or the engine is not available.
    """
    checkpoint = find(model)
    installed = find_spec("openvino") is not None
    if request.engine == "openvino":
        if not installed:
            raise UsageError(
                "--engine openvino is not installed (pip install 'wav2emo[openvino]'); a cache of "
                "this engine can only be extended by it"
            )
        if device not in ("auto", "cpu"):
            raise UsageError(f"--device {device}: OpenVINO is for the CPU; use --engine torch")
        device = "cpu"
    from extract.encoders.encoder import load  # late: importing torch takes seconds
    from extract.engines import torch as torch_engine

    device = torch_engine.pick_device(device)
    encoder = load(checkpoint)
    if device == "cpu" and request.engine != "torch" and installed:
        from extract.engines import openvino as openvino_engine

        possible = request.precision != "bfloat16" or torch_engine.multiplies_bfloat16("cpu")
        if request.engine == "openvino" or possible:
            return openvino_engine.OpenVINOEngine(encoder, request)
    return torch_engine.TorchEngine(encoder, request, device)
