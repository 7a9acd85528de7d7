"""The interface of engines."""

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from data.cache.recipe import TOLERANCE, Recipe
from data.errors import EncoderError
from extract.encoders.framing import steps_in

BFLOAT16_IS_QUICKER = (
    "this hardware multiplies bfloat16: --precision bfloat16 is faster, with a relative error of "
    f"up to {TOLERANCE['bfloat16']:g} instead of {TOLERANCE['float32']:g}"
)

# OpenVINO reports every import to its vendor, unless this module is missing
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Pooled:
    """Result of one batch."""

    layers: dict[str, npt.NDArray[np.float32]]  # pooling → (layer, utterance, dim)
    sequences: list[npt.NDArray[np.float16]] | None  # (layer, step, dim) of each utterance


class Engine:
    """Computes pooled hidden states of waveforms.

    Attributes:
        recipe: everything that determines the numbers.
        provenance: hardware, versions and paths, which do not determine the numbers.
        suggests_bfloat16: whether no precision is given, and the hardware multiplies bfloat16.
        receptive_field: smallest number of samples that can be embedded.
        batch_seconds: seconds of padded audio in a batch that suits engine and hardware.
        streams: number of batches to embed at the same time, each in its own thread.
    """

    recipe: dict[str, Any]
    provenance: dict[str, Any]
    suggests_bfloat16: bool
    receptive_field: int
    batch_seconds: float
    streams: int

    def embed(self, waveforms: list[npt.NDArray[np.float32]]) -> Pooled:
        """Embed (sample,) waveforms at 16 kHz, normalised if the recipe requires it."""
        raise NotImplementedError


def provenance(device: str, location: str | None, *libraries: str) -> dict[str, Any]:
    """Hardware, versions of libraries, and the folder of the checkpoint."""
    return {
        "device": device,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "h5py", *libraries)},
        "location": location,
    }


def as_pooled(
    recipe: Recipe,
    counts: Sequence[int],
    steps_per_frame: float,
    pooled: npt.NDArray[np.float32],
    sequences: npt.NDArray[np.float32] | None = None,
) -> Pooled:
    """Convert the outputs of `PooledEncoder` for a batch.

    Args:
        recipe: recipe of the engine.
        counts: (utterance,) number of frames.
        steps_per_frame: of sequences.
        pooled: (layer, pooling, utterance, dim).
        sequences: (layer, utterance, step, dim).

    Raises:
        EncoderError: sequences contain numbers that float16 cannot represent.
    """
    layers = {name: pooled[:, index] for index, name in enumerate(recipe["pooling"])}
    if sequences is None:
        return Pooled(layers, None)
    with np.errstate(over="ignore"):
        half = sequences.astype(np.float16)
    if np.isinf(half).any() and np.isfinite(sequences).all():
        raise EncoderError(
            "hidden states beyond ±65504 do not fit the float16 of sequences; "
            "leave those layers out with --sequence-layers"
        )
    steps = [steps_in(count, steps_per_frame) for count in counts]
    return Pooled(layers, [half[:, row, :number] for row, number in enumerate(steps)])
