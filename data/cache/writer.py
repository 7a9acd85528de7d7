"""Write a cache file from arrays, or merge files without loading them.

Rows are sorted by id. Apart from provenance, the bytes of a cache therefore depend only on its
contents, and not on restarts, batches or the number of machines. When files are merged, every read
is contiguous, and one block is in memory at a time.
"""

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.file import FORMAT, VERSION, CacheFile, arrays, require_same_recipe
from data.cache.merged import Merged
from data.cache.publish import Dataset, publish
from data.cache.recipe import Recipe, canonical, fingerprint
from data.condition import clean_id
from data.errors import CacheError
from data.utterance import Utterance

BLOCK = 1 << 20  # bytes of one block while merging
COLUMN_BLOCK = 1 << 13  # utterances


def write_cache(
    path: Path,
    recipe: Recipe,
    utterances: Mapping[str, Any],
    layers: Mapping[str, npt.NDArray],
    sequences: Mapping[str, npt.NDArray] | None = None,
    provenance: Mapping[str, Any] | None = None,
    baselines: Mapping[str, npt.NDArray] | None = None,
) -> None:
    """Write one cache file from arrays, atomically.

    Args:
        path: the file, which is replaced if it exists.
        recipe: what determines the numbers.
        utterances: columns of shape (utterance,), in any order of rows.
        layers: pooling → (layer, utterance, dim).
        sequences: ``values`` (layer, Σ steps, dim) and ``offsets`` (utterance + 1,).
        provenance: how the numbers were made.
        baselines: name → (utterance, dim), for the baselines of the recipe.

    Raises:
        ValueError: a column is missing, ids are not unique, or a shape is wrong.
    """
    stored = {name: columns.column(name, values) for name, values in utterances.items()}
    missing = [name for name in columns.REQUIRED if name not in stored]
    if missing:
        raise ValueError(f"columns {', '.join(missing)} are missing; got {', '.join(stored)}")
    order = np.argsort(stored["id"], kind="stable")
    ids = stored["id"][order]
    if len(ids) == 0 or (ids[1:] == ids[:-1]).any():
        raise ValueError("expected at least one utterance, and unique ids")
    datasets = {
        f"utterances/{name}": Dataset.of(stored[name][order]) for name in columns.ordered(stored)
    }
    for pooling in recipe["pooling"]:
        values = layers[pooling]
        expected = (len(recipe["layers"]), len(ids), layers[recipe["pooling"][0]].shape[-1])
        if values.shape != expected:
            raise ValueError(f"{pooling}: got shape {values.shape}, expected {expected}")
        datasets[f"layers/{pooling}"] = Dataset.of(values[:, order].astype(np.float32, copy=False))
    for name in recipe.get("baselines", ()):
        values = (baselines or {})[name]
        if values.ndim != 2 or len(values) != len(ids):
            raise ValueError(f"{name}: got shape {values.shape}, expected ({len(ids)}, dim)")
        datasets[f"baselines/{name}"] = Dataset.of(values[order].astype(np.float32, copy=False))
    if sequences is not None:
        offsets = np.asarray(sequences["offsets"], np.int64)
        values = np.asarray(sequences["values"], np.float16)
        pieces = [values[:, offsets[row] : offsets[row + 1]] for row in order]
        lengths = np.diff(offsets)[order]
        datasets["sequences/values"] = Dataset.of(np.concatenate(pieces, axis=1))
        datasets["sequences/offsets"] = Dataset.of(np.concatenate([[0], np.cumsum(lengths)]))
    publish(Path(path), attributes(recipe, provenance or {}), datasets)


def attributes(recipe: Recipe, provenance: Mapping[str, Any]) -> dict[str, str]:
    """Root attributes of a cache file."""
    created = {"created": f"{time.time():.6f}"}  # seconds since 1970; orders files by age
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "fingerprint": fingerprint(recipe),
        "recipe": canonical(recipe),
        "provenance": json.dumps(created | dict(provenance), sort_keys=True),
    }


def merge(
    sources: Sequence[CacheFile],
    destination: Path,
    current: Mapping[str, Utterance] | None = None,
    leave_out: Collection[str] = (),
) -> int:
    """Merge files of one recipe into one, atomically, and return its number of utterances.

    Args:
        sources: undamaged files, from oldest to newest; the newest row of an id is used.
        destination: the file to write; may be one of the sources.
        current: id → current description of the utterance. Its columns replace those of the
            sources; the embeddings stay.
        leave_out: ids of utterances to remove.

    Raises:
        CacheError: the recipes differ, or no utterance is left.
    """
    require_same_recipe(sources)
    rows = Merged.of(sources)
    if leave_out:
        removed = np.array([name.encode() for name in leave_out])
        rows = rows.where(~np.isin(rows.column("id"), removed))
    if not len(rows):
        raise CacheError(f"{destination}: no utterance would be left")

    if current:
        described = _as_described(_loaded(rows), current)
        datasets = {f"utterances/{name}": Dataset.of(described[name]) for name in described}
    else:
        datasets = {f"utterances/{name}": _column(rows, name) for name in rows.names}
    recipe = sources[0].recipe
    for name in arrays(recipe):
        if not name.startswith("sequences/"):
            datasets[name] = _array(rows, name)
    if recipe.get("sequence_layers"):
        datasets |= _sequences(rows)
    newest = max(sources, key=lambda source: source.age)
    # with the time of the newest source, so that a shard published meanwhile is newer
    publish(destination, attributes(recipe, newest.provenance), datasets)
    return len(rows)


def is_current(file: CacheFile, current: Mapping[str, Utterance] | None) -> bool:
    """Whether the columns of a file equal those of `current` (id → utterance)."""
    if not current:
        return True
    stored = _loaded(Merged.of([file]))
    now = _as_described(stored, current)
    return stored.keys() == now.keys() and all(
        np.array_equal(stored[name], now[name], equal_nan=stored[name].dtype.kind == "f")
        for name in stored
    )


def _as_described(stored: columns.Columns, current: Mapping[str, Utterance]) -> columns.Columns:
    """Replace the rows of `stored` whose utterances are in `current`."""
    ids = columns.decode(stored["id"])
    described = [current.get(name) or current.get(clean_id(name)) for name in ids]
    known = np.array([utterance is not None for utterance in described], bool)
    now = columns.described([utterance for utterance in described if utterance is not None])
    merged = dict(stored)
    for name in (stored.keys() | now.keys()) - {*columns.EMBEDDED}:
        merged[name] = columns.overwritten(stored.get(name), known, now.get(name))
    return {
        name: merged[name]
        for name in columns.ordered(merged)
        if name in columns.REQUIRED or not columns.is_unknown(merged[name])
    }


def _loaded(rows: Merged) -> columns.Columns:
    return {name: columns.trimmed(rows.column(name)) for name in rows.names}


def _column(rows: Merged, name: str) -> Dataset:
    def blocks() -> Iterator[npt.NDArray]:
        for start in range(0, len(rows), COLUMN_BLOCK):
            yield columns.trimmed(rows.column(name, start, start + COLUMN_BLOCK))

    dtype = reduce(np.promote_types, (block.dtype for block in blocks()))
    return Dataset((len(rows),), dtype, blocks)


def _array(rows: Merged, name: str) -> Dataset:
    *layers, _, dim = rows.files[0].stored(name).shape  # baselines have no layers
    dtype = np.dtype(np.float32)
    per_block = max(1, BLOCK // (dim * dtype.itemsize))

    def blocks() -> Iterator[npt.NDArray]:
        for layer in range(math.prod(layers)):
            for start in range(0, len(rows), per_block):
                block = np.empty((min(per_block, len(rows) - start), dim), dtype)
                rows.read_into(block, name, layer, start)
                yield block

    return Dataset((*layers, len(rows), dim), dtype, blocks)


def _sequences(rows: Merged) -> dict[str, Dataset]:
    layers, _, dim = rows.files[0].stored("sequences/values").shape
    offsets = np.concatenate([[0], np.cumsum(rows.steps())])

    def blocks() -> Iterator[npt.NDArray]:
        for layer in range(layers):
            for position in range(len(rows)):
                yield rows.sequence(layer, position)

    values = Dataset((layers, int(offsets[-1]), dim), np.dtype(np.float16), blocks)
    return {"sequences/values": values, "sequences/offsets": Dataset.of(offsets)}
