"""Embed a sample of a cache again, and compare it with the cache."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data.cache import Cache
from data.cache.columns import CONDITION, DIGEST
from data.cache.described import utterance
from data.cache.described import utterances as described
from data.condition import Condition, clean_id
from data.errors import UsageError
from data.utterance import Utterance
from extract.audio import checksum
from extract.decoding import Refusal
from extract.degradations import conditions
from extract.degradations.noise import BABBLE
from extract.degradations.specs import Spec
from extract.embedder import Embedder

log = logging.getLogger("wav2emo")


def sample(
    cache: Cache,
    count: int,
    roots: Sequence[Path],
    seed: int = 0,
    noise: Path | None = None,
) -> list[Utterance]:
    """Draw random utterances of a cache, sorted by id.

    Degraded utterances whose condition cannot be made again from its name, since recordings that
    it adds are missing or have changed, are left out, with a warning.

    Args:
        cache: the cache.
        count: number of utterances.
        roots: folders of the corpora; recordings are found by path and checksum.
        seed: of the random numbers.
        noise: folder of recordings of the conditions of noise.

    Raises:
        UsageError: a recording is missing or has changed.
    """
    rows = sorted(np.random.default_rng(seed).permutation(len(cache))[:count])
    drawn = [_utterance(row, roots) for row in cache.utterances.iloc[rows].to_dict("records")]
    wanted = {u.condition.name: Spec.of_name(u.condition.name) for u in drawn if u.condition}
    made: dict[tuple[str, str], Condition] = {}
    for name, spec in wanted.items():
        try:
            clean = drawn if spec.kind != BABBLE else described(Cache(cache.path), roots)
            (of_name,) = conditions([name], clean, noise if spec.of_folder else None)
        except UsageError as error:
            log.debug("%s", error)
            continue
        made |= {(name, u.corpus): one for u, one in zip(clean, of_name, strict=True)}
    kept = []
    for one in drawn:
        stored = one.condition
        if stored is None:
            kept.append(one)
        elif (now := made.get((stored.name, one.corpus))) and now.digest == stored.digest:
            kept.append(one.degraded(now))
    if left_out := len(drawn) - len(kept):
        log.warning(
            "%d of the sample are left out: the recordings that their conditions add are missing "
            "or have changed; see --noise", left_out,
        )  # fmt: skip
    return kept


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


def _utterance(row: dict[str, Any], roots: Sequence[Path]) -> Utterance:
    """The utterance of a row with its clean id, and the root that contains its recording."""
    places = [root for root in roots if (root / row["path"]).is_file()]
    for root in places:
        if checksum(root / row["path"]) == row["sha256"]:
            name = row.get(CONDITION, "")
            condition = Condition(name, row[DIGEST]) if name else None
            return replace(utterance(row, [root]), id=clean_id(row["id"]), condition=condition)
    state = "has changed" if places else "is missing"
    raise UsageError(f"{row['id']}: its recording {row['path']} {state}; check --corpus-root")
