"""Embed utterances: a stream of them in batches, or any audio by the recipe of a cache."""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from data.cache.recipe import TOLERANCE, Recipe, differences
from data.errors import RecipeMismatch
from data.text import lines
from data.utterance import Utterance
from extract.audio import MAX_SECONDS, Waveform
from extract.batches import by_length, windows
from extract.decoding import Checksums, Decoded, Refusal, ahead, decode, prefetched, prepare
from extract.engines import Engine, Pooled, open_engine
from extract.recipe import Request

log = logging.getLogger("wav2emo")


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

        Engine and precision may be others than the recipe's, if that changes no more than its
        precision does: any engine for float32; for bfloat16 the recipe's engine where it is there,
        else another one, and float32 where hardware does not multiply bfloat16, with a warning.

        Raises:
            EncoderError: the encoder cannot be loaded.
            RecipeMismatch: the encoder, or what is done with it, is not the recipe's.
        """
        try:
            request, name = Request.from_recipe(recipe), recipe["model"]
            same = {name: recipe[name] for name in ("engine", "precision")}  # but for rounding
            if model:  # a copy elsewhere has another name; its weights identify it
                same |= {name: recipe[name] for name in ("model", "revision")}
        except (KeyError, TypeError, ValueError) as error:
            raise RecipeMismatch(f"not the recipe of an encoder: {error!r}") from None
        engine = open_engine(model or name, _possible(request, device), device)
        found = engine.recipe | same
        if found != recipe:
            raise RecipeMismatch(
                lines(
                    [
                        "this encoder gives other numbers than the recipe's:",
                        *(f"  {line}" for line in differences(recipe, found)),
                    ]
                )
            )
        _tell_of_rounding(recipe, engine.recipe)
        return cls(engine)

    def __call__(self, utterances: Sequence[Utterance]) -> Iterator[Embedding | Refusal]:
        """One result per utterance, in their order, as soon as it and those before are done."""
        checksum = Checksums()

        def decoded(utterance: Utterance) -> Decoded | Refusal:
            segment = utterance.start is not None or utterance.end is not None
            return self.decode(utterance, checksum(utterance.file) if segment else None)

        return self.stream(ahead(decoded, utterances, self.threads))

    def waveforms(self, waveforms: Iterable[Waveform]) -> Iterator[Embedding | Refusal]:
        """The same of (sample,) waveforms in memory: 16 kHz, mono, as recorded (not normalised).

        Each is an utterance whose id is its number, of no corpus.
        """
        return self.stream(
            self.prepare(Utterance(str(number), "", Path(), ""), waveform)
            for number, waveform in enumerate(waveforms)
        )

    def waveform(self, waveform: Waveform) -> Embedding | Refusal:
        """The same of one, at once: without the threads that make many of them quick."""
        decoded = self.prepare(Utterance("0", "", Path(), ""), waveform)
        return decoded if isinstance(decoded, Refusal) else _embed_batch(self.engine, [decoded])[0]

    def stream(self, items: Iterable[Decoded | Refusal]) -> Iterator[Embedding | Refusal]:
        """The same of what is decoded already; of an endless stream too."""
        positions: dict[int, deque[int]] = defaultdict(deque)  # one utterance may come twice

        def numbered() -> Iterator[Decoded | Refusal]:
            for number, item in enumerate(items):
                positions[id(item.utterance)].append(number)
                yield item

        done: dict[int, Embedding | Refusal] = {}
        following = 0
        for result in embed(numbered(), self.engine):
            done[positions[id(result.utterance)].popleft()] = result
            while following in done:
                yield done.pop(following)
                following += 1

    def decode(self, utterance: Utterance, sha256: str | None = None) -> Decoded | Refusal:
        """An utterance's file as the engine wants it; its `sha256`, if it is known already."""
        return decode(utterance, self.engine, self.max_seconds, sha256)

    def prepare(self, utterance: Utterance, waveform: Waveform) -> Decoded | Refusal:
        """A (sample,) waveform as the engine wants it: 16 kHz, mono, as recorded."""
        return prepare(utterance, waveform, self.engine, self.max_seconds)


def _possible(request: Request, device: str) -> Request:
    """The request, in float32 where it says bfloat16 and the hardware does not multiply that."""
    if request.precision != "bfloat16":
        return request
    from extract.engines.torch import multiplies_bfloat16, pick_device  # not before: it is slow

    if multiplies_bfloat16(pick_device(device)):
        return request
    return replace(request, precision="float32", engine="auto")


def _tell_of_rounding(recipe: Recipe, here: Recipe) -> None:
    """Say so where what is embedded here is not what the recipe's engine would have made, to the
    last digits that float32 promises."""
    wanted, found = ((one["precision"], one["engine"]) for one in (recipe, here))
    if "bfloat16" in (wanted[0], found[0]) and wanted != found:
        log.warning(
            "the recipe is %s by %s, and here it is %s by %s: embeddings agree to a relative error "
            "of %g, not %g",
            *wanted, *found, TOLERANCE["bfloat16"], TOLERANCE["float32"],
        )  # fmt: skip


def embed(
    stream: Iterable[Decoded | Refusal], engine: Engine, batch_seconds: float | None = None
) -> Iterator[Embedding | Refusal]:
    """Embed every utterance of a stream, in the order of the batches that are made of it.

    Batches of `batch_seconds`, padded, or what suits the engine. The stream is read in a thread,
    one window ahead, and the engine works in threads of its own, so that it never waits.
    """
    seconds = batch_seconds or engine.batch_seconds
    refused: list[Refusal] = []

    def batches() -> Iterator[list[Decoded]]:
        for window in prefetched(windows(stream, seconds)):
            refused.extend(item for item in window if isinstance(item, Refusal))
            yield from by_length((item for item in window if isinstance(item, Decoded)), seconds)

    for results in ahead(partial(_embed_batch, engine), batches(), engine.streams):
        yield from refused
        refused.clear()
        yield from results
    yield from refused


def _embed_batch(engine: Engine, batch: list[Decoded]) -> list[Embedding | Refusal]:
    try:
        pooled = engine.embed([decoded.waveform for decoded in batch])
    except MemoryError:
        pooled = None  # tried again below: here the exception still holds what filled the memory
    if pooled is not None:
        return [_row(pooled, row, decoded) for row, decoded in enumerate(batch)]
    if len(batch) > 1:
        half = len(batch) // 2
        return _embed_batch(engine, batch[:half]) + _embed_batch(engine, batch[half:])
    reason = (
        f"{batch[0].seconds:.0f} s do not fit in memory; give segments in a table (file,start,end)"
    )
    return [Refusal(batch[0].utterance, reason)]


def _row(pooled: Pooled, row: int, decoded: Decoded) -> Embedding | Refusal:
    layers = {name: values[:, row] for name, values in pooled.layers.items()}
    sequence = pooled.sequences[row] if pooled.sequences is not None else None
    finite = all(np.isfinite(values).all() for values in layers.values())
    if not finite or (sequence is not None and not np.isfinite(sequence).all()):
        return Refusal(decoded.utterance, "the encoder made NaN or infinity of it")
    return Embedding(
        decoded.utterance, decoded.seconds, decoded.sha256, layers, sequence, decoded.baselines
    )
