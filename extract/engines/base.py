"""What all engines have in common."""

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from data.cache.recipe import TOLERANCE, Recipe
from data.errors import EncoderError

if TYPE_CHECKING:
    from extract.encoders.pooled import Batch

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
        """Whether no precision is given, and the hardware multiplies bfloat16."""

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


def provenance(device: str, location: str | None, *libraries: str) -> dict[str, Any]:
    """Where a cache's numbers come from: hardware, versions, the checkpoint's folder."""
    return {
        "device": device,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "h5py", *libraries)},
        "location": location,
    }


def as_pooled(
    recipe: Recipe,
    batch: "Batch",
    pooled: npt.NDArray[np.float32],
    sequences: npt.NDArray[np.float32] | None = None,
) -> Pooled:
    """What `PooledEncoder` made of a batch, in the form in which it is kept.

    Raises:
        EncoderError: sequences hold numbers that float16 does not.
    """
    layers = {name: pooled[:, index] for index, name in enumerate(recipe["pooling"])}
    if sequences is None or batch.steps is None:
        return Pooled(layers, None)
    with np.errstate(over="ignore"):
        half = sequences.astype(np.float16)
    if np.isinf(half).any() and np.isfinite(sequences).all():
        raise EncoderError(
            "hidden states beyond ±65504 do not fit the float16 of sequences; "
            "leave those layers out with --sequence-layers"
        )
    counts = (batch.steps.sum(dim=2) > 0).sum(dim=1).tolist()
    return Pooled(layers, [half[:, row, :count] for row, count in enumerate(counts)])
