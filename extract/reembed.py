"""Embed a sample of a cache again, and compare it with the cache."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.cache import Cache
from data.errors import UsageError
from data.utterance import Utterance
from extract.audio import checksum
from extract.decoding import Refusal
from extract.embedder import Embedder


def sample(cache: Cache, count: int, roots: Sequence[Path], seed: int = 0) -> list[Utterance]:
    """Draw random utterances of a cache, sorted by id.

    Args:
        cache: the cache.
        count: number of utterances.
        roots: folders of the corpora; recordings are found by path and checksum.
        seed: of the random numbers.

    Raises:
        UsageError: a recording is missing or has changed.
    """
    rows = np.random.default_rng(seed).permutation(len(cache))[:count]
    return [_utterance(cache, int(row), roots) for row in sorted(rows)]


def relative_errors(
    cache: Cache, utterances: Sequence[Utterance], device: str = "auto", model: str | None = None
) -> Iterator[tuple[str, float | str]]:
    """Embed utterances again; yield their ids and relative errors, or reasons of refusal.

    The error is the largest of all layers, in the first pooling.

    Args:
        cache: the cache.
        utterances: some of its utterances.
        device: of the encoder.
        model: folder of the encoder, if it has moved.

    Raises:
        EncoderError: the encoder cannot be loaded.
        RecipeMismatch: the encoder differs from the recipe.
    """
    embedder = Embedder.from_recipe(cache.recipe, device, model)
    for result in embedder(utterances):
        name = result.utterance.id
        if isinstance(result, Refusal):
            yield name, result.reason
            continue
        expected = cache[name]  # (layer, dim)
        error = np.linalg.norm(result.layers[cache.poolings[0]] - expected, axis=1)
        yield name, float((error / np.linalg.norm(expected, axis=1)).max())


def _utterance(cache: Cache, row: int, roots: Sequence[Path]) -> Utterance:
    """The utterance of a row, with the root that contains its recording."""
    stored = cache.utterances.iloc[row]
    places = [root / stored["path"] for root in roots]
    for root, place in zip(roots, places, strict=True):
        if place.is_file() and checksum(place) == stored["sha256"]:
            start, end = (
                None if math.isnan(stored[name]) else float(stored[name])
                for name in ("start", "end")
            )
            return Utterance(
                stored["id"], stored["corpus"], root, stored["path"], start=start, end=end
            )
    state = "has changed" if any(p.is_file() for p in places) else "is missing"
    raise UsageError(f"{stored['id']}: its recording {stored['path']} {state}; check --corpus-root")
