"""Embed utterances: a stream of them in batches, or any audio by the recipe of a cache."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from data.errors import RecipeMismatch
from data.recipe import differences
from data.utterance import Utterance
from extract.audio import MAX_SECONDS
from extract.batches import by_length, windows
from extract.decoding import Decoded, Refusal, ahead, decode
from extract.engines import Engine, Pooled, open_engine
from extract.recipe import Request

BATCH_SECONDS = 32.0


@dataclass(frozen=True)
class Embedding:
    """An utterance's pooled hidden states."""

    utterance: Utterance
    duration: float  # seconds
    sha256: str  # of the audio file
    layers: dict[str, npt.NDArray[np.float32]]  # pooling → (layer, dim)
    sequence: npt.NDArray[np.float16] | None  # (layer, step, dim)
    baselines: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)  # name → (dim,)


class Embedder:
    """Embeds audio in memory, exactly as `extract` does into a cache.

    embedder = Embedder.from_recipe(Cache("embeddings.h5").recipe)
    for result in embedder(utterances):
        …  # an Embedding or a Refusal, in the order of the utterances
    """

    def __init__(self, engine: Engine, max_seconds: float = MAX_SECONDS, threads: int = 2) -> None:
        self.engine = engine
        self.max_seconds = max_seconds
        self.threads = threads

    @classmethod
    def from_recipe(
        cls, recipe: dict[str, Any], device: str = "auto", model: str | None = None
    ) -> Self:
        """Load the encoder that a recipe names, or the same one from the folder `model`.

        Raises:
            EncoderError: the encoder cannot be loaded.
            RecipeMismatch: the encoder, or what is done with it, is not the recipe's.
        """
        engine = open_engine(model or recipe["model"], Request.from_recipe(recipe), device)
        found = dict(engine.recipe)
        if model:  # a copy elsewhere has another name; its weights tell that it is the same
            found |= {name: recipe[name] for name in ("model", "revision")}
        if found != recipe:
            lines = "\n  ".join(differences(recipe, found))
            raise RecipeMismatch(f"this encoder gives other numbers than the cache's:\n  {lines}")
        return cls(engine)

    def __call__(self, utterances: Sequence[Utterance]) -> Iterator[Embedding | Refusal]:
        """One result per utterance, in their order, as soon as it and those before are done."""
        positions: dict[int, deque[int]] = defaultdict(deque)  # one utterance may come twice
        for number, utterance in enumerate(utterances):
            positions[id(utterance)].append(number)
        done: dict[int, Embedding | Refusal] = {}
        following = 0
        for result in self._unordered(utterances):
            done[positions[id(result.utterance)].popleft()] = result
            while following in done:
                yield done.pop(following)
                following += 1

    def _unordered(self, utterances: Sequence[Utterance]) -> Iterator[Embedding | Refusal]:
        refused: list[Refusal] = []

        def decoded() -> Iterator[Decoded]:
            for fetched in ahead(self._decode, utterances, self.threads):
                if isinstance(fetched, Refusal):
                    refused.append(fetched)
                else:
                    yield fetched

        for result in embed(decoded(), self.engine, BATCH_SECONDS):
            yield from refused
            refused.clear()
            yield result
        yield from refused

    def _decode(self, utterance: Utterance) -> Decoded | Refusal:
        return decode(utterance, self.engine, self.max_seconds)


def embed(
    stream: Iterable[Decoded], engine: Engine, batch_seconds: float = BATCH_SECONDS
) -> Iterator[Embedding | Refusal]:
    """Embed every utterance of a stream, in the order of the batches that are made of it."""
    for window in windows(stream):
        for batch in by_length(window, batch_seconds):
            yield from _embed_batch(batch, engine)


def _embed_batch(batch: list[Decoded], engine: Engine) -> Iterator[Embedding | Refusal]:
    try:
        pooled = engine.embed([decoded.waveform for decoded in batch])
    except MemoryError:
        pooled = None  # tried again below: here the exception still holds what filled the memory
    if pooled is None:
        if len(batch) == 1:
            yield Refusal(
                batch[0].utterance,
                f"{batch[0].seconds:.0f} s do not fit in memory; give segments in a table "
                "(file,start,end)",
            )
        else:
            half = len(batch) // 2
            yield from _embed_batch(batch[:half], engine)
            yield from _embed_batch(batch[half:], engine)
        return
    for row, decoded in enumerate(batch):
        yield _row(pooled, row, decoded)


def _row(pooled: Pooled, row: int, decoded: Decoded) -> Embedding | Refusal:
    layers = {name: values[:, row] for name, values in pooled.layers.items()}
    sequence = pooled.sequences[row] if pooled.sequences is not None else None
    finite = all(np.isfinite(values).all() for values in layers.values())
    if not finite or (sequence is not None and not np.isfinite(sequence).all()):
        return Refusal(decoded.utterance, "the encoder made NaN or infinity of it")
    return Embedding(
        decoded.utterance, decoded.seconds, decoded.sha256, layers, sequence, decoded.baselines
    )
