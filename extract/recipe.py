"""The options that determine the numbers, and the recipe that they give."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from data.cache.recipe import TOLERANCE, Recipe
from data.errors import UsageError
from data.options import option, verify
from data.recording import SAMPLING_RATE

if TYPE_CHECKING:
    from extract.encoders.identity import Identity

POOLINGS = ("mean", "std", "max")
BASELINES = ("logmel", "energy", "egemaps")  # see extract.baselines
DEFAULT_BASELINES = ("logmel", "energy")
PRECISIONS = tuple(TOLERANCE)
DEFAULT_PRECISION = "float32"
ENGINES = ("auto", "torch", "openvino")
LAYER_CONVENTION = (
    "0: input of the first transformer layer; k: output of the k-th, before any final layer norm"
)


def parse_baselines(text: str) -> tuple[str, ...]:
    """Names joined by commas, or ``none``.

    >>> parse_baselines("logmel,egemaps"), parse_baselines("none")
    (('logmel', 'egemaps'), ())
    """
    return () if text == "none" else tuple(text.split(","))


@dataclass(frozen=True)
class Request:
    """Options that determine the numbers in a cache.

    Raises:
        UsageError: an option is invalid.
    """

    layers: str = option("all", "'all', '0-6', '6,9', …")
    pooling: tuple[str, ...] = option(
        ("mean", "std"), f"some of {','.join(POOLINGS)}", choices=POOLINGS
    )
    sequence: float | None = option(None, "also store RATE steps per second", metavar="RATE")
    sequence_layers: str = option("all", "layers of the sequences", metavar="LAYERS")
    precision: str | None = option(
        None, f"(default: that of the cache, else {DEFAULT_PRECISION})", choices=PRECISIONS
    )
    engine: str = option(  # engines differ only by rounding
        "auto",
        "(default: that of the cache, else openvino on a CPU if it is installed)",
        choices=ENGINES,
    )
    baselines: tuple[str, ...] | None = option(
        None,
        f"features without a model: some of {','.join(BASELINES)}, or none (default: the cache's, "
        f"else {','.join(DEFAULT_BASELINES)})",
        type=parse_baselines,
        metavar="NAMES",
    )

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """Make a request that gives `recipe`.

        Its engine is ``auto``, since engines agree in float32. In bfloat16 they differ more, so a
        recipe of torch keeps torch, which is always installed.
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

    def fitted_to(self, recipe: Recipe | None) -> Self:
        """Adapt the request to a cache of `recipe`, if there is one, so that it can extend it.

        Open options (precision, engine and baselines) are taken from the recipe, and so are the
        poolings if they include the requested ones.
        """
        if recipe is None:
            return self
        pooling, baselines = tuple(recipe["pooling"]), tuple(recipe.get("baselines", ()))
        return replace(
            self,
            pooling=pooling if set(self.pooling) < set(pooling) else self.pooling,
            precision=self.precision or recipe["precision"],
            engine=recipe["engine"] if self.engine == "auto" else self.engine,
            baselines=baselines if self.baselines is None else self.baselines,
        )

    def __post_init__(self) -> None:
        verify(self)
        if not self.pooling or len(set(self.pooling)) < len(self.pooling):
            raise UsageError(
                f"--pooling {','.join(self.pooling)}: expected some of {', '.join(POOLINGS)}"
            )
        named = self.baselines or ()
        if not set(named) <= set(BASELINES) or len(set(named)) < len(named):
            raise UsageError(
                f"--baselines {','.join(named)}: expected some of {', '.join(BASELINES)}, or none"
            )
        if self.sequence is not None and not 0 < self.sequence <= 50:
            raise UsageError(
                f"--sequence {self.sequence:g}: expected above 0 and at most 50 steps per second"
            )
        if self.sequence is None and self.sequence_layers != "all":
            raise UsageError("--sequence-layers needs --sequence RATE")


def parse_layers(text: str, depth: int) -> list[int]:
    """Parse layer numbers and ranges between 0 and `depth`; return them in ascending order.

    >>> parse_layers("0-2,6", depth=12)
    [0, 1, 2, 6]
    """
    if text == "all":
        return list(range(depth + 1))
    layers: set[int] = set()
    for part in text.split(","):
        if not re.fullmatch(r"[0-9]+(-[0-9]+)?", part):
            raise UsageError(f"layers {text!r}: expected 'all', '0-6' or '6,9'")
        first, _, last = part.partition("-")
        layers.update(range(int(first), int(last or first) + 1))
    if not layers or max(layers) > depth:
        raise UsageError(f"layers {text!r}: this encoder has 0 to {depth}")
    return sorted(layers)


def describe(encoder: "Identity", request: Request, engine: str) -> dict[str, Any]:
    """Make the recipe of `request` for an encoder and an engine.

    Raises:
        UsageError: the encoder has no such layer, or fewer frames than steps per second.
    """
    from extract.baselines import parameters  # late: numpy would slow --help down

    depth = encoder.depth
    if (request.sequence or 0) > encoder.frame_rate:
        raise UsageError(
            f"--sequence {request.sequence:g}: this encoder has {encoder.frame_rate:g} frames per "
            "second; expected at most that"
        )
    stored = request.sequence is not None
    named = DEFAULT_BASELINES if request.baselines is None else request.baselines
    optional = {  # which recipes of older versions do not have
        "baselines": parameters(named),
        "trained_on": encoder.trained_on,
        "front_end": encoder.front_end,
    }
    return {
        "model": encoder.name,
        "revision": encoder.revision,
        "weights": encoder.weights,
        "architecture": encoder.architecture,
        "control": encoder.control,
        "layers": parse_layers(request.layers, depth),
        "layer_convention": LAYER_CONVENTION,
        "sampling_rate": SAMPLING_RATE,
        "resampler": "soxr HQ",
        "channels": "mean",
        "normalisation": "zero mean, unit variance per utterance" if encoder.normalise else "none",
        "pooling": list(request.pooling),
        "sequence_rate": float(request.sequence) if request.sequence is not None else None,
        "sequence_layers": parse_layers(request.sequence_layers, depth) if stored else [],
        "engine": engine,
        "precision": request.precision or DEFAULT_PRECISION,
        "dtype": "float32",
    } | {name: value for name, value in optional.items() if value}
