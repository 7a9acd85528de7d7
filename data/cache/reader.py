"""Read a cache: one file, or a folder of files. `data.cache.file` describes the schema."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.file import CacheFile, files_in, require_same_recipe
from data.condition import CLEAN
from data.errors import CacheError

if TYPE_CHECKING:
    import pandas

MANY_FILES = 128  # more files than this are not kept open


class Cache:
    """Reader of the utterances of a cache and their embeddings, sorted by id.

    A cache can be pickled, forked and used by several processes: each process opens the files
    again, and raises an error if a file was replaced. The files of a folder are read like one file;
    if several files contain an id, the newest is used.

        with Cache("embeddings.h5") as cache:
            features = cache.layer(6)  # (utterance, dim)
            labels = cache.utterances["emotion"]

    Args:
        path: a cache file, or a folder of cache files.
        degraded: whether to read the utterances of all conditions, too. Their ids and the columns
            ``condition``, ``condition_digest`` and ``achieved`` tell them apart; without them, the
            cache is read as if it were extracted without conditions.

    Raises:
        CacheError: the cache does not exist, is damaged, or has another format.
    """

    def __init__(self, path: str | os.PathLike[str], degraded: bool = False) -> None:
        self.path = Path(path)
        self.degraded = degraded
        if self.path.is_dir():
            paths = files_in(self.path)
            self.files = [CacheFile(file, len(paths) <= MANY_FILES) for file in paths]
            if not self.files:
                raise CacheError(f"{self.path}: a folder without .h5 files, not a cache")
        else:
            self.files = [CacheFile(self.path)]
        require_same_recipe(self.files)
        self.files.sort(key=lambda file: file.age)

    recipe = property(lambda self: self.files[0].recipe, doc="What determines the numbers.")
    fingerprint = property(lambda self: self.files[0].fingerprint, doc="SHA-256 of the recipe.")
    provenance = property(lambda self: self.files[-1].provenance, doc="How it was made.")
    dim = property(lambda self: self.files[0].dim, doc="Width of a layer.")

    @property
    def layers(self) -> tuple[int, ...]:
        """Stored hidden layers; 0 is the input of the first transformer layer."""
        return tuple(self.recipe["layers"])

    @property
    def poolings(self) -> tuple[str, ...]:
        """Stored poolings over time: mean, std, max."""
        return tuple(self.recipe["pooling"])

    @property
    def baselines(self) -> tuple[str, ...]:
        """Stored features without a model, such as logmel; empty in older caches."""
        return tuple(self.recipe.get("baselines") or ())

    @property
    def sequence_layers(self) -> tuple[int, ...]:
        """Layers whose sequences are stored; empty without sequences."""
        return tuple(self.recipe.get("sequence_layers") or ())

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions in which utterances are stored, but for clean ones; sorted."""
        stored = f"utterances/{columns.CONDITION}"
        values = [file.read_all(stored) for file in self.files if stored in file.names]
        return tuple(sorted({*columns.decode(np.unique(np.concatenate(values)))} - {CLEAN})
                     if values else ())  # fmt: skip

    def __len__(self) -> int:
        return len(self._rows.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; the next read opens them again."""
        for file in self.files:
            file.close()

    @cached_property
    def utterances(self) -> "pandas.DataFrame":
        """One row per utterance: id, corpus, path, speaker, emotion (native), start, end, duration
        (seconds), sha256, and further columns of the corpora. Unknown values are "" or NaN."""
        import pandas

        parts = [file.columns() for file in self.files]
        if not self.degraded:
            parts = [{k: v for k, v in part.items() if k not in columns.OF_CONDITION}
                     for part in parts]  # fmt: skip
        joined = columns.join(parts, [len(file) for file in self.files])
        if self.degraded:  # files lack columns in which nothing is known
            count = sum(len(file) for file in self.files)
            for name in columns.OF_CONDITION:
                joined.setdefault(name, columns.unknown(count, name in columns.TEXT))
        starts = np.cumsum([0, *(len(file) for file in self.files)])
        rows = starts[self._rows.file] + self._rows.row
        return pandas.DataFrame(
            {
                name: columns.decode(values[rows]) if values.dtype.kind == "S" else values[rows]
                for name, values in joined.items()
            }
        )

    def layer(
        self, layer: int, pooling: str | None = None, start: int = 0, stop: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Embeddings of one hidden layer, (utterance, dim), for utterances `start` to `stop`."""
        index, pooling = self._layer_index(layer), self._pooling(pooling)
        start, stop, _ = slice(start, stop).indices(len(self))
        out = np.empty((stop - start, self.dim), np.float32)
        self._fill(out, f"layers/{pooling}", index, start)
        return out

    def embeddings(self, pooling: str | None = None) -> npt.NDArray[np.float32]:
        """Embeddings of all stored layers, (layer, utterance, dim)."""
        pooling = self._pooling(pooling)
        out = np.empty((len(self.layers), len(self), self.dim), np.float32)
        for index in range(len(self.layers)):
            self._fill(out[index], f"layers/{pooling}", index, start=0)
        return out

    def baseline(self, name: str) -> npt.NDArray[np.float32]:
        """Features without a model, (utterance, dim); the recipe describes them."""
        if name not in self.baselines:
            stored = ", ".join(self.baselines) or "none; extract again to have them"
            raise CacheError(f"{self.path}: no baseline {name!r} (stored: {stored})")
        stored_as = f"baselines/{name}"
        out = np.empty((len(self), *self.files[0].stored(stored_as).row), np.float32)
        self._fill(out, stored_as, index=0, start=0)
        return out

    def __getitem__(self, ids: str | Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeddings by id, in the first pooling: (layer, dim) for one id, and
        (utterance, layer, dim) for a sequence of ids, in its order."""
        names = [ids] if isinstance(ids, str) else list(ids)
        try:
            positions = np.array([self._positions[name] for name in names], np.intp)
        except KeyError as error:
            raise KeyError(f"{self.path} has no utterance {error.args[0]!r}") from None
        out = np.empty((len(names), len(self.layers), self.dim), np.float32)
        name = f"layers/{self.poolings[0]}"
        for index in range(len(self.layers)):
            for target, position in enumerate(positions):
                file, row = self._rows.file[position], self._rows.row[position]
                out[target, index] = self.files[file].read(name, index, row, row + 1)[0]
        return out[0] if isinstance(ids, str) else out

    def sequences(self, layer: int) -> list[npt.NDArray[np.float16]]:
        """Sequences of one layer, one (step, dim) for each utterance.

        ``recipe["sequence_rate"]`` is the number of steps per second.
        """
        if layer not in self.sequence_layers:
            stored = ", ".join(map(str, self.sequence_layers)) or "none"
            raise CacheError(f"{self.path}: no sequences of layer {layer} (stored: {stored})")
        index = self.sequence_layers.index(layer)
        sequences: list[npt.NDArray[np.float16]] = [np.empty((0, self.dim), np.float16)] * len(self)
        for number, file in enumerate(self.files):
            offsets = file.offsets()
            values = file.read("sequences/values", index, 0, int(offsets[-1]))
            for position in np.flatnonzero(self._rows.file == number):
                row = self._rows.row[position]
                sequences[position] = values[offsets[row] : offsets[row + 1]]
        return sequences

    def sequence(self, layer: int, position: int) -> npt.NDArray[np.float16]:
        """Sequence of one layer and utterance, (step, dim)."""
        file, row = self.files[self._rows.file[position]], self._rows.row[position]
        start, stop = self._offsets(self._rows.file[position])[row : row + 2]
        index = self.sequence_layers.index(layer)
        return file.read("sequences/values", index, int(start), int(stop))

    def steps(self) -> npt.NDArray[np.int64]:
        """(utterance,) number of steps of the sequences."""
        lengths = [np.diff(self._offsets(number)) for number in range(len(self.files))]
        pairs = zip(self._rows.file, self._rows.row, strict=True)
        return np.array([lengths[file][row] for file, row in pairs], np.int64)

    def _offsets(self, number: int) -> npt.NDArray[np.int64]:
        if number not in self._known_offsets:
            self._known_offsets[number] = self.files[number].offsets()
        return self._known_offsets[number]

    @cached_property
    def _known_offsets(self) -> dict[int, npt.NDArray[np.int64]]:
        return {}

    @cached_property
    def _rows(self) -> "Rows":
        ids = [file.ids for file in self.files]
        if len(ids) == 1:
            rows = Rows(np.zeros(len(ids[0]), np.intp), np.arange(len(ids[0])))
        else:
            rows = newest_rows(ids)
        if self.degraded or not self.conditions:
            return rows
        stored = f"utterances/{columns.CONDITION}"
        clean = np.concatenate([
            file.read_all(stored) == b"" if stored in file.names else np.ones(len(file), bool)
            for file in self.files
        ])  # fmt: skip
        starts = np.cumsum([0, *map(len, ids)])
        kept = clean[starts[rows.file] + rows.row]
        return Rows(rows.file[kept], rows.row[kept])

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.utterances["id"])}

    def _layer_index(self, layer: int) -> int:
        if layer not in self.layers:
            stored = ", ".join(map(str, self.layers))
            raise CacheError(f"{self.path}: no layer {layer} (stored: {stored})")
        return self.layers.index(layer)

    def _pooling(self, pooling: str | None) -> str:
        if pooling is None:
            return self.poolings[0]
        if pooling not in self.poolings:
            stored = ", ".join(self.poolings)
            raise CacheError(f"{self.path}: no pooling {pooling!r} (stored: {stored})")
        return pooling

    def _fill(self, out: npt.NDArray[np.float32], name: str, index: int, start: int) -> None:
        """Fill `out` (utterance, dim) with one layer of a dataset; `index` is ignored for a
        baseline."""
        file = self._rows.file[start : start + len(out)]
        row = self._rows.row[start : start + len(out)]
        if len(self.files) == 1 and (np.diff(row) == 1).all():
            self.files[0].read_into(out, name, index, int(row[0]) if len(row) else 0)
            return
        for number in np.unique(file):
            here = file == number
            out[here] = self.files[number].read(name, index, 0, len(self.files[number]))[row[here]]


@dataclass(frozen=True)
class Rows:
    """File and row of each utterance, sorted by id."""

    file: npt.NDArray[np.intp]  # (utterance,)
    row: npt.NDArray[np.intp]  # (utterance,)


def newest_rows(ids: Sequence[npt.NDArray]) -> Rows:
    """Merge the ids of files from oldest to newest; for equal ids the newest file is used."""
    joined = np.concatenate(ids)
    file = np.repeat(np.arange(len(ids)), [len(part) for part in ids])
    row = np.concatenate([np.arange(len(part)) for part in ids])
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    last = np.append(joined[1:] != joined[:-1], True) if len(joined) else np.zeros(0, bool)
    return Rows(file[order][last], row[order][last])
