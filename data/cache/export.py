"""Export a cache for other programs.

* ``.npz``: ``layers_<pooling>`` (layer, utterance, dim), ``baselines_<name>`` (utterance, dim) and
  ``utterances_<column>``.
* ``.parquet``: one row per utterance, for pandas, polars and R; embeddings are lists of float32 in
  columns ``<pooling>_<layer>`` and ``baseline_<name>``.
* folder: a Hugging Face data set, for ``datasets.load_dataset(PATH)``.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.atomic import new_output
from data.cache.reader import Cache
from data.errors import UsageError

if TYPE_CHECKING:
    import pyarrow

ROWS = 1024  # utterances in a row group; limits the memory


def export(cache: Cache, out: Path) -> None:
    """Write a cache to `out`, atomically, in the format of its suffix.

    Raises:
        UsageError: the suffix is unknown, or `out` is a folder that is not empty.
    """
    writers = {".npz": _npz, ".parquet": _parquet, "": _dataset}
    if out.suffix not in writers:
        raise UsageError(f"{out}: expected a name that ends in .npz or .parquet, or a folder")
    with new_output(out) as temporary:
        writers[out.suffix](cache, temporary)


def _npz(cache: Cache, path: Path) -> None:
    arrays: dict[str, Any] = {f"layers_{p}": cache.embeddings(p) for p in cache.poolings}
    arrays |= {f"baselines_{name}": cache.baseline(name) for name in cache.baselines}
    arrays["layer_numbers"] = np.array(cache.layers)
    arrays["recipe"] = np.array(json.dumps(cache.recipe))
    for name, column in cache.utterances.items():
        arrays[f"utterances_{name}"] = np.array(column.tolist())
    np.savez(path, **arrays)


def _parquet(cache: Cache, path: Path) -> None:
    import pyarrow.parquet

    batches = _batches(cache)
    first = next(batches)
    with pyarrow.parquet.ParquetWriter(path, first.schema) as writer:
        for batch in itertools.chain([first], batches):
            writer.write_table(batch)


def _dataset(cache: Cache, path: Path) -> None:
    """Write a folder for Hugging Face's ``load_dataset``: a card and a Parquet file."""
    (path / "data").mkdir(parents=True)
    _parquet(cache, path / "data" / "train-00000-of-00001.parquet")
    (path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n"
        "    path: data/train-*.parquet\n---\n\n# Speech embeddings\n\n"
        f"Hidden states of `{cache.recipe['model']}` by wav2emo, "
        f"pooled by {', '.join(cache.poolings)}: columns `<pooling>_<layer>`.\n\n"
        f"```json\n{json.dumps(cache.recipe, indent=2)}\n```\n",
        encoding="utf-8",
    )


def _batches(cache: Cache) -> Iterator["pyarrow.Table"]:
    import pyarrow

    table = cache.utterances
    embeddings = {f"{pooling}_{layer}" for pooling in cache.poolings for layer in cache.layers}
    baselines = {f"baseline_{name}": cache.baseline(name) for name in cache.baselines}
    if taken := (embeddings | baselines.keys()).intersection(table.columns):
        raise UsageError(f"{cache.path}: the name of column {min(taken)!r} is that of an embedding")
    metadata = {"wav2emo.recipe": json.dumps(cache.recipe)}
    for start in range(0, len(cache), ROWS):
        rows = table.iloc[start : start + ROWS]
        arrow = pyarrow.Table.from_pandas(rows, preserve_index=False)
        for pooling in cache.poolings:
            for layer in cache.layers:
                values = cache.layer(layer, pooling, start, start + ROWS)
                arrow = arrow.append_column(f"{pooling}_{layer}", _lists(values))
        for name, features in baselines.items():
            arrow = arrow.append_column(name, _lists(features[start : start + ROWS]))
        yield arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **metadata})


def _lists(values: npt.NDArray) -> "pyarrow.Array":
    """Convert (utterance, dim) numbers to a column of lists."""
    import pyarrow

    flat = pyarrow.array(values.reshape(-1))
    return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
