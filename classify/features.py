"""Which numbers of an utterance a head sees, from a cache and from new audio alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from classify.heads import HEADS
from classify.options import Options
from data.errors import UsageError

if TYPE_CHECKING:
    from data import Cache

Matrix = npt.NDArray[np.float32]
Sequences = Sequence[npt.NDArray[np.floating]] | npt.NDArray[np.floating]  # (step, dim) each


@dataclass(frozen=True)
class Features:
    """A choice among what a cache holds.

    With several layers as steps (``mix``), or with sequences, a row of the head's input is one
    step after the other; otherwise it is one step.
    """

    layer: int | str  # a hidden layer, "mean" of `layers`, or "mix": each of them is a step
    layers: tuple[int, ...]
    poolings: tuple[str, ...]  # laid end to end in every step; none for sequences
    sequences: bool = False  # steps are moments

    @classmethod
    def chosen(cls, options: Options, cache: "Cache") -> "Features":
        """What `options` ask for, or what suits the head best.

        Neural heads weigh all layers, others take their mean; a head that can read sequences does
        so where the cache has them.

        Raises:
            UsageError: the cache does not hold it.
        """
        head = HEADS[options.head]
        sequences = head.sequences and options.axis != "layer" and bool(cache.sequence_layers)
        if head.sequences and not sequences:
            if options.axis == "time":
                raise UsageError(
                    f"--axis time: {cache.path} has no sequences; make them with "
                    "'python -m extract … --sequence 5', or run over the layers by --axis layer"
                )
            if options.layer not in ("mix", None):
                why = "" if options.axis else f"{cache.path} has no sequences, so "
                raise UsageError(
                    f"{why}--head {options.head} runs over all layers, not over --layer "
                    f"{options.layer}: leave out --layer"
                    + ("" if options.axis else ", or extract again with --sequence 5")
                )
        for pooling in options.poolings:
            _require(f"--pooling {pooling}", pooling, cache.poolings, cache)
        layers = cache.sequence_layers if sequences else cache.layers
        layer = options.layer
        if layer is None:
            layer = "mix" if head.neural and not sequences else "mean"
        if isinstance(layer, int):
            _require(f"--layer {layer}", layer, layers, cache)
            layers = (layer,)
        poolings = () if sequences else options.poolings or cache.poolings
        return cls(layer, layers, poolings, sequences)

    def of_cache(self, cache: "Cache", rows: npt.NDArray[np.intp]) -> Matrix:
        """The chosen numbers of some rows of a cache, (utterance, step · dim)."""
        if self.sequences:
            return self._padded([cache.sequences(layer) for layer in self.layers], rows)
        return self._pooled(lambda layer, pooling: cache.layer(layer, pooling)[rows])

    def of_embedding(
        self,
        recipe: Mapping[str, Any],
        layers: Mapping[str, Matrix],
        sequence: npt.NDArray | None,
    ) -> Matrix:
        """The same of one new utterance, (1, step · dim).

        Args:
            recipe: of the encoder, which tells the layers that the arrays hold.
            layers: pooling → (layer, dim).
            sequence: (layer, step, dim), where the recipe asks for one.
        """
        if self.sequences:
            if sequence is None:
                raise ValueError("these features are of sequences, and none was given")
            stored = list(recipe["sequence_layers"])
            return self._padded([sequence[[stored.index(layer)]] for layer in self.layers], [0])
        stored = list(recipe["layers"])
        return self._pooled(lambda layer, pooling: layers[pooling][stored.index(layer)][None])

    def parameters(self, X: Matrix, dim: int) -> dict[str, Any]:
        """How a neural head is told to read X, whose encoder's layers are `dim` wide."""
        layers = len(self.layers) if self.layer == "mix" else 1
        if self.sequences:
            return {"layers": layers, "steps": X.shape[1] // (layers * dim), "axis": "time"}
        return {"layers": layers, "steps": 1, "axis": "layer"}

    def width(self, dim: int) -> int:
        """Numbers of a row, of one moment of a sequence; the encoder's layers are `dim` wide."""
        layers = len(self.layers) if self.layer == "mix" else 1
        return layers * max(1, len(self.poolings)) * dim

    def as_json(self) -> dict[str, Any]:
        """As plain JSON; `from_json` is the way back."""
        return {**asdict(self), "layers": list(self.layers), "poolings": list(self.poolings)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Features":
        """Features from what `as_json` gave."""
        return cls(
            layer=value["layer"],
            layers=tuple(value["layers"]),
            poolings=tuple(value["poolings"]),
            sequences=value["sequences"],
        )

    def __str__(self) -> str:
        first, last = self.layers[0], self.layers[-1]
        whole = len(self.layers) > 2 and self.layers == tuple(range(first, last + 1))
        layers = f"{first}–{last}" if whole else ", ".join(map(str, self.layers))
        which = {
            "mean": f"mean of layers {layers}",
            "mix": f"all of layers {layers}",
        }.get(str(self.layer), f"layer {layers}")
        return f"{which}, {'sequences' if self.sequences else ' + '.join(self.poolings)}"

    def _pooled(self, read: Callable[[int, str], Matrix]) -> Matrix:
        """(utterance, step · pooling · dim), reading one layer and pooling at a time."""
        if self.layer == "mean":
            return np.hstack(
                [
                    sum(read(layer, pooling) for layer in self.layers)
                    / np.float32(len(self.layers))
                    for pooling in self.poolings
                ]
            )
        return np.hstack(
            [read(layer, pooling) for layer in self.layers for pooling in self.poolings]
        )

    def _padded(self, layers: Sequence[Sequences], rows: Iterable[int]) -> Matrix:
        """(utterance, layer · step · dim), NaN after an utterance's last step; the mean of `layers`
        is one layer. `layers` give for each row an array (step, dim)."""
        rows = list(rows)
        first = [layers[0][row] for row in rows]
        kept = len(layers) if self.layer == "mix" else 1
        longest, dim = max(map(len, first)), first[0].shape[1]
        X = np.full((len(rows), kept, longest, dim), np.nan, np.float32)
        for place, row in enumerate(rows):
            of_layers = np.stack([layer[row] for layer in layers])
            steps = of_layers.shape[1]
            X[place, :, :steps] = of_layers if self.layer == "mix" else of_layers.mean(0)
        return X.reshape(len(rows), -1)


def _require(option: str, value: object, stored: Sequence[object], cache: "Cache") -> None:
    if value not in stored:
        raise UsageError(f"{option}: {cache.path} holds {', '.join(map(str, stored))}")
