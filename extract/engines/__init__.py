"""Engines run an encoder over batches. All give the same numbers within their precision."""

import logging
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from data.cache.recipe import TOLERANCE
from data.errors import UsageError
from extract.checkpoint import find
from extract.recipe import Request

log = logging.getLogger("wav2emo")

BFLOAT16_IS_QUICKER = (
    "this hardware multiplies bfloat16: --precision bfloat16 is quicker, with a relative error of "
    f"up to {TOLERANCE['bfloat16']:g} instead of {TOLERANCE['float32']:g}"
)

# OpenVINO reports every import of itself to its makers, except where its reporter is missing
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Pooled:
    """What is kept of one batch."""

    layers: dict[str, npt.NDArray[np.float32]]  # pooling → (layer, utterance, dim)
    sequences: list[npt.NDArray[np.float16]] | None  # (layer, step, dim) of each utterance


class Engine(Protocol):
    """Turns waveforms into pooled hidden states."""

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the numbers."""

    @property
    def provenance(self) -> dict[str, Any]:
        """Hardware, versions and places: what does not."""

    @property
    def suggests_bfloat16(self) -> bool:
        """Whether nobody named a precision, and the hardware multiplies bfloat16."""

    @property
    def receptive_field(self) -> int:
        """The fewest samples that can be embedded."""

    @property
    def batch_seconds(self) -> float:
        """Padded audio of a batch that suits engine and hardware."""

    @property
    def streams(self) -> int:
        """Batches that are best embedded at once, each from a thread of its own."""

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """Embed (sample,) waveforms, each as if it were alone."""


def open_engine(model: str, request: Request, device: str = "auto") -> Engine:
    """Load the encoder called `model` and an engine for `device` (``auto``, ``cpu``, ``cuda``,
    ``cuda:1``, ``mps``).

    Raises:
        EncoderError: the encoder cannot be loaded.
        UsageError: the device or the engine is not there.
    """
    checkpoint = find(model)
    installed = find_spec("openvino") is not None
    if request.engine == "openvino":
        if not installed:
            raise UsageError(
                "--engine openvino is not installed (pip install 'wav2emo[openvino]'); a cache "
                "that it has made is extended by it alone"
            )
        if device not in ("auto", "cpu"):
            raise UsageError(f"--device {device}: OpenVINO is here for the CPU; use --engine torch")
        device = "cpu"
    from extract.encoder import load  # not before: torch takes seconds to import
    from extract.engines import torch as torch_engine

    device = torch_engine.pick_device(device)
    encoder = load(checkpoint)
    if device == "cpu" and request.engine != "torch" and installed:
        from extract.engines import openvino as openvino_engine

        possible = request.precision != "bfloat16" or torch_engine.multiplies_bfloat16("cpu")
        if request.engine == "openvino" or possible:
            return openvino_engine.OpenVINOEngine(encoder, request)
    return torch_engine.TorchEngine(encoder, request, device)


def provenance(device: str, location: str | None, *libraries: str) -> dict[str, Any]:
    """Where a cache's numbers come from: hardware, versions, the checkpoint's folder."""
    return {
        "device": device,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "h5py", *libraries)},
        "location": location,
    }
