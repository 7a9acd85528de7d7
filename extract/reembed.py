"""Embed a sample of a cache again, and compare it with what the cache holds."""

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
    """`count` random utterances of a cache, in the order of their ids.

    Args:
        roots: folders of the corpora; a recording is looked for in each and recognised by its
            checksum.

    Raises:
        UsageError: a recording is in none of `roots`, or has changed.
    """
    rows = np.random.default_rng(seed).permutation(len(cache))[:count]
    return [_utterance(cache, int(row), roots) for row in sorted(rows)]


def relative_errors(
    cache: Cache, utterances: Sequence[Utterance], device: str = "auto", model: str | None = None
) -> Iterator[tuple[str, float | str]]:
    """Id of each utterance, with the largest relative error of a layer (in the first pooling) when
    it is embedded again; or with the reason why it is refused.

    Args:
        model: the encoder's folder, if it has moved.

    Raises:
        EncoderError: the encoder cannot be loaded.
        RecipeMismatch: it is not the recipe's.
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
    """The utterance of a row, its recording found below one of `roots` by its checksum."""
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
    state = "has changed since" if any(p.is_file() for p in places) else "is not there"
    raise UsageError(f"{stored['id']}: its recording {stored['path']} {state}; check --corpus-root")
