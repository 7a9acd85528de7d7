"""Several torch engines on the same batches. What their encoders share is computed once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from extract.engines.base import Engine, Pooled
from extract.engines.torch import TorchEngine


class Together(Engine):
    """Engines of encoders that were fine-tuned from one base model; see `Engine`.

    Args:
        engines: with recipes that differ in their weights only.
    """

    suggests_bfloat16 = False

    def __init__(self, engines: Sequence[TorchEngine]) -> None:
        first = engines[0]
        self.engines = engines
        self.recipe: dict[str, Any] = first.recipe
        self.provenance: dict[str, Any] = first.provenance
        self.receptive_field = first.receptive_field
        self.batch_seconds, self.streams = first.batch_seconds, first.streams
        found = [first.encoder.shared_with(other.encoder) for other in engines[1:]]
        known = [layer for layer in found if layer is not None]
        self.shared = min(known) if len(known) == len(found) and known else None
        first.encoder.keeps = self.shared

    @property
    def what_is_shared(self) -> str:
        """What is computed once, as text."""
        if self.shared is None:
            return "they share nothing"
        layers = f"layers 0 to {self.shared}" if self.shared > 0 else "layer 0"
        return f"{'the front end' if self.shared < 0 else layers} computed once"

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """Layers of the first engine, then those of the second, …; sequences likewise."""
        each = self.engines[0].embed_by(self.engines, waveforms, self.shared)
        layers = {
            name: np.concatenate([one.layers[name] for one in each]) for name in each[0].layers
        }
        if each[0].sequences is None:
            return Pooled(layers, None)
        of_utterances = zip(*(one.sequences or () for one in each), strict=True)
        return Pooled(layers, [np.concatenate(sequences) for sequences in of_utterances])
