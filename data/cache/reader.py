"""Read a cache: one file, or a folder of files. `data.cache.file` describes the schema."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.file import CacheFile, files_in, require_same_recipe
from data.cache.merged import Merged
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
        if columns.CONDITION not in self._stored.names:
            return ()
        values = np.unique(self._stored.column(columns.CONDITION))
        return tuple(sorted({*columns.decode(values)} - {CLEAN}))

    def __len__(self) -> int:
        return len(self._rows)

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

        names = {*self._rows.names}.difference(columns.OF_CONDITION)
        if self.degraded:  # files lack columns in which nothing is known
            names |= {*columns.OF_CONDITION}
        table = {name: self._rows.column(name) for name in columns.ordered(names)}
        return pandas.DataFrame(
            {
                name: columns.decode(values) if values.dtype.kind == "S" else values
                for name, values in table.items()
            }
        )

    def layer(
        self, layer: int, pooling: str | None = None, start: int = 0, stop: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Embeddings of one hidden layer, (utterance, dim), for utterances `start` to `stop`."""
        index = self._index("layer", layer, self.layers)
        start, stop, _ = slice(start, stop).indices(len(self))
        out = np.empty((stop - start, self.dim), np.float32)
        self._rows.read_into(out, self._dataset(pooling), index, start)
        return out

    def embeddings(self, pooling: str | None = None) -> npt.NDArray[np.float32]:
        """Embeddings of all stored layers, (layer, utterance, dim)."""
        name = self._dataset(pooling)
        out = np.empty((len(self.layers), len(self), self.dim), np.float32)
        for index in range(len(self.layers)):
            self._rows.read_into(out[index], name, index, start=0)
        return out

    def baseline(self, name: str) -> npt.NDArray[np.float32]:
        """Features without a model, (utterance, dim); the recipe describes them."""
        self._index("baseline", name, self.baselines, "none; extract again to have them")
        stored_as = f"baselines/{name}"
        out = np.empty((len(self), *self.files[0].stored(stored_as).row), np.float32)
        self._rows.read_into(out, stored_as, index=0, start=0)
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
        index = self._index("sequences of layer", layer, self.sequence_layers)
        return [self._rows.sequence(index, position) for position in range(len(self))]

    def sequence(self, layer: int, position: int) -> npt.NDArray[np.float16]:
        """Sequence of one layer and utterance, (step, dim)."""
        index = self._index("sequences of layer", layer, self.sequence_layers)
        return self._rows.sequence(index, position)

    def steps(self) -> npt.NDArray[np.int64]:
        """(utterance,) number of steps of the sequences."""
        return self._rows.steps()

    @cached_property
    def _stored(self) -> Merged:
        """The utterances in all conditions."""
        return Merged.of(self.files)

    @cached_property
    def _rows(self) -> Merged:
        if self.degraded or columns.CONDITION not in self._stored.names:
            return self._stored
        return self._stored.where(self._stored.column(columns.CONDITION) == CLEAN.encode())

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.utterances["id"])}

    def _index(
        self, what: str, value: object, stored: Sequence[object], without: str = "none"
    ) -> int:
        if value not in stored:
            names = ", ".join(map(str, stored)) or without
            raise CacheError(f"{self.path}: no {what} {value!r} (stored: {names})")
        return stored.index(value)

    def _dataset(self, pooling: str | None) -> str:
        """Name of the dataset of a pooling."""
        number = 0 if pooling is None else self._index("pooling", pooling, self.poolings)
        return f"layers/{self.poolings[number]}"
