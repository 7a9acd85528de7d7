"""Embed a stream of utterances in batches, or audio in memory by the recipe of a cache."""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from data.cache.recipe import TOLERANCE, Recipe, difference_lines
from data.errors import RecipeMismatch
from data.utterance import Utterance
from extract.audio import Waveform
from extract.decoding import Decoded, Refusal, ahead, checksums, decode, prefetched
from extract.engines import Engine, Pooled, open_engine
from extract.hardware import multiplies_bfloat16, pick_device
from extract.quality import Quality
from extract.recipe import Request

log = logging.getLogger("wav2emo")

WINDOW_SECONDS = 600.0  # of audio that is sorted by length at a time, at least
WINDOW_BATCHES = 16  # the same in batches
MIN_SECONDS = 2.0  # that an item counts at least, so that every window ends


@dataclass(frozen=True)
class Embedding:
    """Pooled hidden states of an utterance."""

    utterance: Utterance
    duration: float  # seconds
    sha256: str  # of the audio file
    layers: dict[str, npt.NDArray[np.float32]]  # pooling → (layer, dim)
    sequence: npt.NDArray[np.float16] | None  # (layer, step, dim)
    baselines: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)  # name → (dim,)
    fingerprint: str = ""  # see `Decoded`
    achieved: float | None = None  # see `Decoded`
    quality: Quality | None = None


class Embedder:
    """Embeds audio in memory, exactly as `extract` embeds it into a cache.

        embedder = Embedder.from_recipe(Cache("embeddings.h5").recipe)
        for result in embedder(utterances):
            …  # an Embedding or a Refusal, in the order of the utterances

    Args:
        engine: runs the encoder.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def from_recipe(
        cls, recipe: dict[str, Any], device: str = "auto", model: str | None = None
    ) -> Self:
        """Load the encoder of a recipe, by its name or from the folder `model`.

        Engine and precision may differ from the recipe within the error of its precision. A
        float32 recipe uses any engine. A bfloat16 recipe uses its engine if it is installed, else
        another one; if the hardware does not multiply bfloat16, float32 is used with a warning.

        Raises:
            EncoderError: the encoder cannot be loaded.
            RecipeMismatch: the encoder or its processing differs from the recipe.
        """
        try:
            request, name = Request.from_recipe(recipe), recipe["model"]
            same = {name: recipe[name] for name in ("engine", "precision")}  # only rounding
            if model:  # a copy may have another name; its weights identify it
                same |= {name: recipe[name] for name in ("model", "revision")}
        except (KeyError, TypeError, ValueError) as error:
            raise RecipeMismatch(f"not a recipe of an encoder: {error!r}") from None
        if request.precision == "bfloat16" and not multiplies_bfloat16(pick_device(device)):
            request = replace(request, precision="float32", engine="auto")
        engine = open_engine(model or name, request, device)
        actual = engine.recipe | same
        # what an encoder was trained on may be recorded later, and changes no embedding
        if _without_training(actual) != _without_training(recipe):
            first = "this encoder differs from the recipe:"
            raise RecipeMismatch(difference_lines(first, recipe, actual))
        _warn_of_rounding(recipe, engine.recipe)
        return cls(engine)

    def __call__(self, utterances: Sequence[Utterance]) -> Iterator[Embedding | Refusal]:
        """Embed utterances; yield one result for each, in order."""
        checksum = checksums()

        def decoded(utterance: Utterance) -> Decoded | Refusal:
            segment = utterance.start is not None or utterance.end is not None
            sha256 = checksum(utterance.file) if segment else None
            return decode(utterance, self.engine, sha256=sha256)

        return self.stream(ahead(decoded, utterances))

    def waveforms(self, waveforms: Iterable[Waveform]) -> Iterator[Embedding | Refusal]:
        """Embed (sample,) waveforms at 16 kHz, which are not normalised; see `__call__`.

        The ids of their utterances are their numbers.
        """
        return self.stream(
            self.decode(Utterance(str(number), "", Path(), ""), waveform)
            for number, waveform in enumerate(waveforms)
        )

    def waveform(self, waveform: Waveform) -> Embedding | Refusal:
        """Embed one (sample,) waveform at 16 kHz, without threads."""
        decoded = self.decode(Utterance("0", "", Path(), ""), waveform)
        return decoded if isinstance(decoded, Refusal) else _embed_batch(self.engine, [decoded])[0]

    def stream(self, items: Iterable[Decoded | Refusal]) -> Iterator[Embedding | Refusal]:
        """Embed a stream of decoded utterances, which may be endless; see `__call__`."""
        positions: dict[int, deque[int]] = defaultdict(deque)  # an utterance may occur twice

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

    def decode(self, utterance: Utterance, waveform: Waveform | None = None) -> Decoded | Refusal:
        """Prepare the file of an utterance for `stream`, or a (sample,) waveform at 16 kHz in its
        place, which is not normalised."""
        return decode(utterance, self.engine, waveform=waveform)


def _without_training(recipe: Recipe) -> dict[str, Any]:
    return {name: value for name, value in recipe.items() if name != "trained_on"}


def _warn_of_rounding(recipe: Recipe, actual: Recipe) -> None:
    """Log a warning if the embeddings differ from the recipe's by more than float32 rounding."""
    wanted, used = ((one["precision"], one["engine"]) for one in (recipe, actual))
    if "bfloat16" in (wanted[0], used[0]) and wanted != used:
        log.warning(
            "the recipe is %s by %s, and here it is %s by %s: embeddings agree to a relative error "
            "of %g, not %g",
            *wanted, *used, TOLERANCE["bfloat16"], TOLERANCE["float32"],
        )  # fmt: skip


def embed(
    stream: Iterable[Decoded | Refusal], engine: Engine, batch_seconds: float | None = None
) -> Iterator[Embedding | Refusal]:
    """Embed a stream of utterances; yield the results in the order of the batches.

    Batches have at most `batch_seconds` when padded; None: a size that suits the engine. A thread
    reads the stream one window ahead, so that the engine does not wait.
    """
    stream = iter(stream)
    for first in stream:
        if isinstance(first, Decoded):
            break
        yield first
    else:
        return  # nothing to embed: a late engine is not opened
    stream = chain([first], stream)
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


def windows(
    items: Iterable[Decoded | Refusal], batch_seconds: float
) -> Iterator[list[Decoded | Refusal]]:
    """Divide a stream into windows that fit into memory."""
    window: list[Decoded | Refusal] = []
    held = 0.0
    for item in items:
        window.append(item)
        held += max(item.seconds, MIN_SECONDS)
        if held >= max(WINDOW_SECONDS, WINDOW_BATCHES * batch_seconds):
            yield window
            window, held = [], 0.0
    if window:
        yield window


def by_length(window: Iterable[Decoded], batch_seconds: float) -> Iterator[list[Decoded]]:
    """Sort a window by length, and divide it into batches of at most `batch_seconds` when padded.

    A longer item is a batch of its own. The longest items come first, so that a lack of memory
    shows early.
    """
    batch: list[Decoded] = []
    for item in sorted(window, key=lambda item: -item.seconds):
        if batch and (len(batch) + 1) * batch[0].seconds > batch_seconds:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _embed_batch(engine: Engine, batch: list[Decoded]) -> list[Embedding | Refusal]:
    try:
        pooled = engine.embed([decoded.waveform for decoded in batch])
    except MemoryError:
        pooled = None  # retry below, after the exception has released the memory
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
        return Refusal(decoded.utterance, "the encoder returned NaN or infinity")
    return Embedding(
        decoded.utterance, decoded.seconds, decoded.sha256, layers, sequence, decoded.baselines,
        decoded.fingerprint, decoded.achieved, decoded.quality,
    )  # fmt: skip
