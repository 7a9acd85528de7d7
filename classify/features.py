"""The features of an utterance that a head reads, from a cache or from new audio."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from classify.heads import find
from classify.heads.standardize import CONSTANT
from classify.options import NONE, Options
from data.errors import UsageError

if TYPE_CHECKING:
    from data import Cache

Matrix = npt.NDArray[np.float32]
Sequences = Sequence[npt.NDArray[np.floating]] | npt.NDArray[np.floating]  # (step, dim) each


@dataclass(frozen=True)
class Features:
    """Layers and poolings, or sequences, selected from a cache.

    With several layers as steps (``mix``), or with sequences, a row of the head's input is a
    concatenation of steps; otherwise it is one step. The poolings of the whole recording are
    appended to each moment of a sequence, like i-vectors to each frame (Saon et al. 2013, Speaker
    Adaptation of Neural Network Acoustic Models Using I-Vectors).
    """

    layer: int | str  # a hidden layer, "mean" of `layers`, "mix": each is a step, or a baseline
    layers: tuple[int, ...]  # none for a baseline
    poolings: tuple[str, ...]  # of the recording, laid end to end in every step
    sequences: bool = False  # steps are moments

    @property
    def baseline(self) -> str | None:
        """The name of features without an encoder, such as ``egemaps``; None for layers."""
        return str(self.layer) if self.layer not in ("mean", "mix") and not self.layers else None

    @classmethod
    def chosen(cls, options: Options, cache: "Cache") -> "Features":
        """The features that `options` name, or the defaults of their head.

        By default, neural heads weigh all layers, and other heads use their mean. A head that can
        read sequences does so if the cache has them, with the poolings of the recording, except the
        mean, appended to each moment.

        Raises:
            UsageError: the cache lacks the features.
        """
        head = find(options.head)
        if head.finetuned:
            options = _finetuned(options, cache)
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
        layers = cache.sequence_layers if sequences else cache.layers
        layer = options.layer
        if layer is None:
            layer = "mix" if head.neural and not sequences else "mean"
        if isinstance(layer, str) and layer not in ("mean", "mix"):
            return cls._without_encoder(layer, options, cache)
        if isinstance(layer, int):
            _require(f"--layer {layer}", layer, layers, cache)
            layers = (layer,)
        return cls(layer, layers, _poolings(options, cache, layers, sequences), sequences)

    @classmethod
    def _without_encoder(cls, name: str, options: Options, cache: "Cache") -> "Features":
        _require(f"--layer {name}", name, (*cache.layers, *cache.baselines), cache)
        if options.poolings:
            raise UsageError(f"--pooling: --layer {name} is not pooled; leave out --pooling")
        return cls(name, (), ())

    def of_cache(self, cache: "Cache", rows: npt.NDArray[np.intp]) -> Matrix:
        """Features (utterance, step · dim) of some rows of a cache."""
        if self.baseline:
            return cache.baseline(self.baseline)[rows]
        pooled = self._pooled(lambda layer, pooling: cache.layer(layer, pooling)[rows], len(rows))
        if not self.sequences:
            return pooled
        return self._padded([cache.sequences(layer) for layer in self.layers], rows, pooled)

    def of_embedding(
        self,
        recipe: Mapping[str, Any],
        layers: Mapping[str, Matrix],
        sequence: npt.NDArray | None,
    ) -> Matrix:
        """Features (1, step · dim) of one new utterance.

        Args:
            recipe: recipe of the encoder, with the layers of the arrays.
            layers: pooling → (layer, dim).
            sequence: (layer, step, dim), where the recipe asks for one.
        """
        stored = list(recipe["layers"])
        pooled = self._pooled(lambda layer, pooling: layers[pooling][stored.index(layer)][None], 1)
        if not self.sequences:
            return pooled
        if sequence is None:
            raise ValueError("expected an embedding with sequences, got one without")
        stored = list(recipe["sequence_layers"])
        steps = [sequence[[stored.index(layer)]] for layer in self.layers]
        return self._padded(steps, [0], pooled)

    def parameters(self, X: Matrix, dim: int) -> dict[str, Any]:
        """The parameters by which a neural head reads X; the encoder's layers are `dim` wide."""
        steps = 1 if self.baseline else X.shape[1] // self.width(dim)
        axis = "time" if self.sequences else "layer"
        return {"layers": self._kept, "steps": steps, "axis": axis}

    def width(self, dim: int) -> int:
        """Number of features of a row, or of one step of a sequence, for an encoder of width
        `dim`."""
        return self._kept * (self.sequences + len(self.poolings)) * dim

    @property
    def _kept(self) -> int:
        """Layers of a row."""
        return len(self.layers) if self.layer == "mix" else 1

    def as_json(self) -> dict[str, Any]:
        """Convert to JSON; `from_json` is the inverse."""
        return {**asdict(self), "layers": list(self.layers), "poolings": list(self.poolings)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Features":
        """Convert from JSON; the inverse of `as_json`."""
        return cls(
            layer=value["layer"],
            layers=tuple(value["layers"]),
            poolings=tuple(value["poolings"]),
            sequences=value["sequences"],
        )

    def __str__(self) -> str:
        if self.baseline:
            return f"{self.baseline}, without an encoder"
        first, last = self.layers[0], self.layers[-1]
        whole = len(self.layers) > 2 and self.layers == tuple(range(first, last + 1))
        layers = f"{first}–{last}" if whole else ", ".join(map(str, self.layers))
        which = {
            "mean": f"mean of layers {layers}",
            "mix": f"all of layers {layers}",
        }.get(str(self.layer), f"layer {layers}")
        return f"{which}, {' + '.join([*['sequences'] * self.sequences, *self.poolings])}"

    def _pooled(self, read: Callable[[int, str], Matrix], utterances: int) -> Matrix:
        """(utterance, layer · pooling · dim), reading one layer and pooling at a time."""
        if not self.poolings:
            return np.empty((utterances, 0), np.float32)
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

    def _padded(self, layers: Sequence[Sequences], rows: Iterable[int], beside: Matrix) -> Matrix:
        """(utterance, layer · step · dim), NaN after an utterance's last step; the mean of `layers`
        is one layer. `layers` give for each row an array (step, dim); `beside` (utterance, layer ·
        dim) lies beside each step."""
        rows = list(rows)
        first = [layers[0][row] for row in rows]
        longest, dim = max(map(len, first)), first[0].shape[1]
        context = beside.reshape(len(rows), self._kept, 1, -1)
        X = np.full((len(rows), self._kept, longest, dim + context.shape[-1]), np.nan, np.float32)
        for place, row in enumerate(rows):
            of_layers = np.stack([layer[row] for layer in layers])
            steps = of_layers.shape[1]
            X[place, :, :steps, :dim] = of_layers if self.layer == "mix" else of_layers.mean(0)
            X[place, :, :steps, dim:] = context[place]
        return X.reshape(len(rows), -1)


def normalized_within(X: Matrix, groups: npt.NDArray, layers: int, steps: int) -> Matrix:
    """X (utterance, layer · step · dim) with mean 0 and deviation 1 in each group.

    Within speakers this is transductive: it needs all recordings of a tested speaker before the
    first prediction (but none of the labels). Such scores do not hold for a speaker with a single
    recording. A feature that is constant in a group becomes 0; so does all of a group of one.

    Args:
        X: NaN after the last step of a sequence.
        groups: (utterance,) names, such as of speakers.
        layers: how many a row holds.
        steps: moments of a sequence, which share a group's statistics; 1 of pooled features.
    """
    names = groups.astype(str)
    values = X.reshape(len(X), layers, steps, -1)
    found = np.empty_like(values)
    for name in np.unique(names):
        own = values[names == name].astype(np.float64)
        mean = np.nanmean(own, (0, 2), keepdims=True)
        deviation = np.nanstd(own, (0, 2), keepdims=True)
        scale = np.where(deviation > CONSTANT * np.abs(mean), deviation, np.inf)
        found[names == name] = (own - mean) / scale
    return found.reshape(X.shape)


def _finetuned(options: Options, cache: "Cache") -> Options:
    """The layer and the poolings that the head of an encoder was trained on."""
    from classify.heads.finetuned import POOLINGS, Head  # late: imports scikit-learn

    if options.layer is not None or options.poolings:
        raise UsageError(f"--head {options.head} reads its own layer: leave out --layer, --pooling")
    head = Head.read(cache.provenance.get("location"))
    return replace(options, layer=head.layer, poolings=POOLINGS[head.pooling])


def _poolings(
    options: Options, cache: "Cache", layers: Sequence[int], sequences: bool
) -> tuple[str, ...]:
    """The poolings that `options` name, or all. Beside sequences the mean is left out: it follows
    from them."""
    asked = options.poolings
    if asked == (NONE,):
        if sequences:
            return ()
        raise UsageError(
            f"--pooling {NONE}: --head {options.head} reads no sequences here; leave it out"
        )
    for pooling in asked:
        _require(f"--pooling {pooling}", pooling, cache.poolings, cache)
    if not sequences:
        return asked or cache.poolings
    if set(layers) <= set(cache.layers):
        return asked or tuple(name for name in cache.poolings if name != "mean")
    if asked:
        stored = ", ".join(map(str, cache.layers))
        raise UsageError(
            f"--pooling {','.join(asked)}: {cache.path} pools layers {stored}, and sequences of "
            f"{', '.join(map(str, layers))} are read: take --pooling none, or --layer"
        )
    return ()


def _require(option: str, value: object, stored: Sequence[object], cache: "Cache") -> None:
    if value not in stored:
        raise UsageError(f"{option}: {cache.path} holds {', '.join(map(str, stored))}")
