"""What decides the numbers: from what was asked for to the recipe that a cache carries."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from data.cache.recipe import TOLERANCE, Recipe
from data.errors import UsageError

if TYPE_CHECKING:
    from extract.encoders.encoder import Encoder

POOLINGS = ("mean", "std", "max")
BASELINES = ("logmel", "energy")  # see extract.logmel
PRECISIONS = tuple(TOLERANCE)
DEFAULT_PRECISION = "float32"
ENGINES = ("auto", "torch", "openvino")
LAYER_CONVENTION = (
    "0: input of the first transformer layer; k: output of the k-th, before any final layer norm"
)


@dataclass(frozen=True)
class Request:
    """What to store of an utterance, as the command line names it.

    Attributes:
        layers: ``all`` or numbers and ranges, such as ``0-6`` or ``6,9``.
        pooling: how frames become one vector.
        sequence: steps a second of stored sequences; None: none are stored.
        sequence_layers: as `layers`, for sequences.
        precision: float32 or bfloat16; None: that of the cache, and float32 for a new one.
        engine: torch, openvino, or auto: OpenVINO on a CPU where it is installed. What they make
            of an utterance is the same, but for rounding.
        baselines: features without a model, stored beside the layers.
    """

    layers: str = "all"
    pooling: tuple[str, ...] = ("mean", "std")
    sequence: float | None = None
    sequence_layers: str = "all"
    precision: str | None = None
    engine: str = "auto"
    baselines: tuple[str, ...] = BASELINES

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """The request that leads to `recipe` again.

        Engines agree in float32, so any may do it. In bfloat16 they differ by more, and torch,
        which is everywhere, is kept where it was torch.
        """
        torch = recipe["precision"] == "bfloat16" and recipe["engine"] == "torch"
        return cls(
            ",".join(map(str, recipe["layers"])),
            tuple(recipe["pooling"]),
            recipe["sequence_rate"],
            ",".join(map(str, recipe["sequence_layers"])) or "all",
            recipe["precision"],
            "torch" if torch else "auto",
            baselines=tuple(recipe.get("baselines", ())),
        )

    def fitted_to(self, recipe: Recipe) -> Self:
        """The request by which a cache of `recipe` can be extended, if that gives what is asked.

        Its precision and engine, where none is named; all its poolings, where those asked for are
        among them; and its baselines, which those of older versions lack.
        """
        fitted = replace(self, baselines=tuple(recipe.get("baselines", ())))
        if self.precision is None:
            fitted = replace(fitted, precision=recipe["precision"])
        if self.engine == "auto":
            fitted = replace(fitted, engine=recipe["engine"])
        if set(self.pooling) < set(recipe["pooling"]):
            fitted = replace(fitted, pooling=tuple(recipe["pooling"]))
        return fitted

    def __post_init__(self) -> None:
        unknown = [name for name in self.pooling if name not in POOLINGS]
        if unknown or not self.pooling or len(set(self.pooling)) < len(self.pooling):
            raise UsageError(
                f"--pooling {','.join(self.pooling)}: expected some of {', '.join(POOLINGS)}"
            )
        if self.precision not in (None, *PRECISIONS):
            raise UsageError(f"--precision {self.precision}: expected {', '.join(PRECISIONS)}")
        if self.engine not in ENGINES:
            raise UsageError(f"--engine {self.engine}: expected {', '.join(ENGINES)}")
        if self.sequence is not None and not 0 < self.sequence <= 50:
            raise UsageError(
                f"--sequence {self.sequence:g}: expected more than 0, at most 50 steps a second"
            )
        if self.sequence is None and self.sequence_layers != "all":
            raise UsageError("--sequence-layers needs --sequence RATE")


def parse_layers(text: str, depth: int) -> list[int]:
    """The layers that `text` names, of 0 to `depth`, in ascending order.

    >>> parse_layers("0-2,6", depth=12)
    [0, 1, 2, 6]
    """
    if text == "all":
        return list(range(depth + 1))
    found: set[int] = set()
    for part in text.split(","):
        if not re.fullmatch(r"[0-9]+(-[0-9]+)?", part):
            raise UsageError(f"layers {text!r}: expected 'all', or such as '0-6' or '6,9'")
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    if not found or max(found) > depth:
        raise UsageError(f"layers {text!r}: this encoder has 0 to {depth}")
    return sorted(found)


def describe(encoder: "Encoder", request: Request, engine: str) -> dict[str, Any]:
    """The recipe of `request` with an encoder that has all its layers."""
    from extract.logmel import PARAMETERS  # not before: numpy would slow --help down

    depth = encoder.depth
    stored = request.sequence is not None
    baselines = {name: PARAMETERS[name] for name in request.baselines}
    return {
        "model": encoder.name,
        "revision": encoder.revision,
        "weights": encoder.weights,
        "architecture": encoder.model.config.model_type,
        "control": encoder.control,
        "layers": parse_layers(request.layers, depth),
        "layer_convention": LAYER_CONVENTION,
        "sampling_rate": 16_000,
        "resampler": "soxr HQ",
        "channels": "mean",
        "normalisation": "zero mean, unit variance per utterance" if encoder.normalise else "none",
        "pooling": list(request.pooling),
        "sequence_rate": float(request.sequence) if request.sequence is not None else None,
        "sequence_layers": parse_layers(request.sequence_layers, depth) if stored else [],
        "engine": engine,
        "precision": request.precision or DEFAULT_PRECISION,
        "dtype": "float32",
    } | ({"baselines": baselines} if baselines else {})
