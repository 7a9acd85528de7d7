"""Engines run an encoder over batches. All give the same numbers within their precision."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from extract.checkpoint import find
from extract.recipe import Request


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
    def receptive_field(self) -> int:
        """The fewest samples that can be embedded."""

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """Embed (sample,) waveforms, each as if it were alone."""


def open_engine(model: str, request: Request, device: str = "auto") -> Engine:
    """Load the encoder called `model` and the engine for `device` (``auto``, ``cpu``, ``cuda``,
    ``cuda:1``, ``mps``).

    Raises:
        EncoderError: the encoder cannot be loaded, or the device is not there.
    """
    checkpoint = find(model)
    from extract.encoder import load  # not before: torch takes seconds to import
    from extract.engines.torch import TorchEngine, pick_device, pick_precision

    device = pick_device(device)
    request = replace(request, precision=pick_precision(request.precision, device))
    return TorchEngine(load(checkpoint), request, device)
