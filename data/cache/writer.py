"""Write a cache file from arrays, or merge files without loading them.

Rows are sorted by id. Apart from provenance, the bytes of a cache therefore depend only on its
contents, and not on restarts, batches or the number of machines. When files are merged, every read
is contiguous, and one block is in memory at a time.
"""

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.file import FORMAT, VERSION, CacheFile, require_same_recipe
from data.cache.publish import Dataset, publish
from data.cache.reader import Rows, newest_rows
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
    recipe = sources[0].recipe
    rows = newest_rows([source.ids for source in sources])
    if leave_out:
        removed = {name.encode() for name in leave_out}
        ids = np.concatenate(list(_column_blocks(sources, rows, "id")))
        keep = np.array([name not in removed for name in ids.tolist()], bool)
        rows = Rows(rows.file[keep], rows.row[keep])
    if not len(rows.file):
        raise CacheError(f"{destination}: no utterance would be left")

    datasets = _merged_columns(sources, rows)
    if current:
        stored = {name: _loaded(dataset) for name, dataset in datasets.items()}
        datasets = {
            name: Dataset.of(values) for name, values in _as_described(stored, current).items()
        }
    datasets = {f"utterances/{name}": dataset for name, dataset in datasets.items()}
    for pooling in recipe["pooling"]:
        datasets[f"layers/{pooling}"] = _merged_rows(sources, rows, f"layers/{pooling}")
    for name in recipe.get("baselines") or ():
        datasets[f"baselines/{name}"] = _merged_rows(sources, rows, f"baselines/{name}")
    if recipe.get("sequence_layers"):
        datasets.update(_merged_sequences(sources, rows))
    newest = max(sources, key=lambda source: source.age)
    # with the time of the newest source, so that a shard published meanwhile is newer
    publish(destination, attributes(recipe, newest.provenance), datasets)
    return len(rows.file)


def is_current(file: CacheFile, current: Mapping[str, Utterance] | None) -> bool:
    """Whether the columns of a file equal those of `current` (id → utterance)."""
    if not current:
        return True
    stored = file.columns()
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


def _loaded(dataset: Dataset) -> npt.NDArray:
    return np.concatenate([block.astype(dataset.dtype) for block in dataset.blocks()])


def _merged_columns(sources: Sequence[CacheFile], rows: Rows) -> dict[str, Dataset]:
    names = (
        name.removeprefix("utterances/")
        for source in sources
        for name in source.names
        if name.startswith("utterances/")
    )
    return {name: _merged_column(sources, rows, name) for name in columns.ordered(names)}


def _merged_column(sources: Sequence[CacheFile], rows: Rows, name: str) -> Dataset:
    dtype = np.dtype(np.float64)
    lengths = [
        int(np.strings.str_len(block).max())
        for block in _column_blocks(sources, rows, name)
        if block.dtype.kind == "S"
    ]
    if lengths:
        dtype = np.dtype(f"S{max(1, *lengths)}")
    return Dataset(rows.file.shape, dtype, lambda: _column_blocks(sources, rows, name))


def _column_blocks(sources: Sequence[CacheFile], rows: Rows, name: str) -> Iterator[npt.NDArray]:
    """Yield blocks of one merged column; numbers become text if any file has text."""
    stored = f"utterances/{name}"
    text = any(
        stored in source.names and source.stored(stored).dtype.kind == "S" for source in sources
    )
    for start in range(0, len(rows.file), COLUMN_BLOCK):
        file, row = rows.file[start : start + COLUMN_BLOCK], rows.row[start : start + COLUMN_BLOCK]
        parts, order = [], []
        for number, here in _by_file(file):
            source, own = sources[number], row[here]
            order.append(here)
            if stored not in source.names:
                parts.append(columns.unknown(len(here), text))
                continue
            values = source.read(stored, 0, int(own[0]), int(own[-1]) + 1)
            parts.append(columns.as_text(values[own - own[0]], text))
        yield np.concatenate(parts)[np.argsort(np.concatenate(order))]


def _merged_rows(sources: Sequence[CacheFile], rows: Rows, name: str) -> Dataset:
    *layers, _, dim = sources[0].stored(name).shape  # baselines have no layers
    dtype = np.dtype(sources[0].stored(name).dtype)
    per_block = max(1, BLOCK // (dim * dtype.itemsize))

    def blocks() -> Iterator[npt.NDArray]:
        for layer in range(math.prod(layers)):
            for start in range(0, len(rows.file), per_block):
                stop = start + per_block
                yield _gather(sources, name, layer, rows.file[start:stop], rows.row[start:stop])

    return Dataset((*layers, len(rows.file), dim), dtype, blocks)


def _gather(
    sources: Sequence[CacheFile],
    name: str,
    layer: int,
    file: npt.NDArray[np.intp],
    row: npt.NDArray[np.intp],
) -> npt.NDArray:
    """Read rows of one layer from several files: (utterance, dim).

    All files are sorted by id, so the rows of one file in a block are contiguous in that file.
    """
    stored = sources[0].stored(name)
    out = np.empty((len(file), *stored.row), stored.dtype)
    for number, here in _by_file(file):
        own = row[here]
        values = sources[number].read(name, layer, int(own[0]), int(own[-1]) + 1)
        out[here] = values[own - own[0]]
    return out


def _by_file(file: npt.NDArray[np.intp]) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Yield each file of a block, and the positions of its rows in the block."""
    order = np.argsort(file, kind="stable")
    for here in np.split(order, np.flatnonzero(np.diff(file[order])) + 1):
        yield int(file[here[0]]), here


def _merged_sequences(sources: Sequence[CacheFile], rows: Rows) -> dict[str, Dataset]:
    layers, _, dim = sources[0].stored("sequences/values").shape
    offsets = [source.offsets() for source in sources]
    begin = np.array([offsets[f][r] for f, r in zip(rows.file, rows.row, strict=True)], np.int64)
    end = np.array([offsets[f][r + 1] for f, r in zip(rows.file, rows.row, strict=True)], np.int64)
    total = np.concatenate([[0], np.cumsum(end - begin)])

    def blocks() -> Iterator[npt.NDArray]:
        for layer in range(layers):
            for file, start, stop in zip(rows.file, begin, end, strict=True):
                yield sources[file].read("sequences/values", layer, int(start), int(stop))

    values = Dataset((layers, int(total[-1]), dim), np.dtype(np.float16), blocks)
    return {"sequences/values": values, "sequences/offsets": Dataset.of(total)}
