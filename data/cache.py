"""Read a cache: one HDF5 file, or a folder of files with the same schema.

::

    /                     attributes: format, version, fingerprint, recipe (JSON), provenance (JSON)
    /utterances/<column>  (utterance,)             fixed-length UTF-8 or float64, sorted by id
    /layers/<pooling>     (layer, utterance, dim)  float32
    /sequences/values     (layer, Σ steps, dim)    float16, when sequences were asked for
    /sequences/offsets    (utterance + 1,)         int64

Every dataset is contiguous, so one layer of all utterances is one read. HDF5 is asked only where
things lie; the numbers are read straight from the file. That is as quick as a memory map, and a
file that is cut short meanwhile is an error message instead of a bus error.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from data import columns
from data.errors import CacheError
from data.recipe import differences, fingerprint

if TYPE_CHECKING:
    import pandas

FORMAT = "wav2emo"
VERSION = 1
MANY_FILES = 128  # more than this are not kept open at once
HASH_BLOCK = 1 << 22  # bytes
NOT_THE_FILE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES}


def parts_folder(cache: Path) -> Path:
    """Where shards wait until they are packed into `cache`."""
    return cache.with_name(cache.name + ".parts")


def files_in(folder: Path) -> list[Path]:
    """The cache files of a folder, by name; none if it is not there (any more)."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(".h5"))
    except FileNotFoundError:
        return []


class Cache:
    """All utterances of a cache with their embeddings, in the order of their ids.

    Safe to pickle, to fork and to use from several processes: files are reopened where needed and
    their immutability is checked. A folder's files are read as if they were packed: of an id that
    stands in several files, the newest counts.

        with Cache("embeddings.h5") as cache:
            features = cache.layer(6)  # (utterance, dim)
            labels = cache.utterances["emotion"]

    Raises:
        CacheError: no cache is there, or it is damaged, or of another format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            paths = files_in(self.path)
            self.files = [CacheFile(file, len(paths) <= MANY_FILES) for file in paths]
            if not self.files:
                raise CacheError(f"{self.path}: a folder without any .h5 file, not a cache")
        else:
            self.files = [CacheFile(self.path)]
        first, *others = self.files
        for other in others:
            require_same_recipe(first, other)
        self.files.sort(key=lambda file: file.age)

    recipe = property(lambda self: self.files[0].recipe, doc="What decided the numbers.")
    fingerprint = property(lambda self: self.files[0].fingerprint, doc="The recipe's SHA-256.")
    provenance = property(lambda self: self.files[-1].provenance, doc="How it was made.")
    dim = property(lambda self: self.files[0].dim, doc="Features of one layer and pooling.")

    @property
    def layers(self) -> tuple[int, ...]:
        """The hidden layers that are stored; 0 is the input of the first transformer layer."""
        return tuple(self.recipe["layers"])

    @property
    def poolings(self) -> tuple[str, ...]:
        """How frames were pooled over time: mean, std, max."""
        return tuple(self.recipe["pooling"])

    @property
    def sequence_layers(self) -> tuple[int, ...]:
        """The layers of which sequences are stored; none if they were not asked for."""
        return tuple(self.recipe.get("sequence_layers") or ())

    def __len__(self) -> int:
        return len(self.files[0]) if len(self.files) == 1 else len(self._rows.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; they are opened again when needed."""
        for file in self.files:
            file.close()

    @cached_property
    def utterances(self) -> "pandas.DataFrame":
        """One row an utterance: id, corpus, path, speaker, emotion (native), start, end, duration
        (seconds), sha256, and what else the corpora know. Unknown is "" or NaN."""
        import pandas

        parts = [file.columns() for file in self.files]
        joined = columns.join(parts, [len(file) for file in self.files])
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
        """Embeddings of one hidden layer, (utterance, dim); of utterances `start` to `stop`."""
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

    def __getitem__(self, ids: str | Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeddings by id in the first pooling: (layer, dim) for one id, and
        (utterance, layer, dim) for several, in the order asked for."""
        wanted = [ids] if isinstance(ids, str) else list(ids)
        try:
            positions = np.array([self._positions[name] for name in wanted], np.intp)
        except KeyError as error:
            raise KeyError(f"{self.path} has no utterance {error.args[0]!r}") from None
        out = np.empty((len(wanted), len(self.layers), self.dim), np.float32)
        name = f"layers/{self.poolings[0]}"
        for index in range(len(self.layers)):
            for target, position in enumerate(positions):
                file, row = self._rows.file[position], self._rows.row[position]
                out[target, index] = self.files[file].read(name, index, row, row + 1)[0]
        return out[0] if isinstance(ids, str) else out

    def sequences(self, layer: int) -> list[npt.NDArray[np.float16]]:
        """The sequence of one layer of every utterance: (step, dim) each, at
        ``recipe["sequence_rate"]`` steps a second."""
        if layer not in self.sequence_layers:
            stored = ", ".join(map(str, self.sequence_layers)) or "none"
            raise CacheError(f"{self.path}: no sequences of layer {layer} (stored: {stored})")
        index = self.sequence_layers.index(layer)
        found: list[npt.NDArray[np.float16]] = [np.empty((0, self.dim), np.float16)] * len(self)
        for number, file in enumerate(self.files):
            offsets = file.read_all("sequences/offsets")
            values = file.read("sequences/values", index, 0, int(offsets[-1]))
            for position in np.flatnonzero(self._rows.file == number):
                row = self._rows.row[position]
                found[position] = values[offsets[row] : offsets[row + 1]]
        return found

    @cached_property
    def _rows(self) -> "Rows":
        return newest_rows([file.ids for file in self.files])

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
        """Fill `out` (utterance, dim) with one layer of a dataset, in the order of the ids."""
        if len(self.files) == 1:
            self.files[0].read_into(out, name, index, start)
            return
        file = self._rows.file[start : start + len(out)]
        row = self._rows.row[start : start + len(out)]
        for number in np.unique(file):
            here = file == number
            out[here] = self.files[number].read(name, index, 0, len(self.files[number]))[row[here]]


@dataclass(frozen=True)
class Rows:
    """Which row of which file holds each utterance, in the order of the ids."""

    file: npt.NDArray[np.intp]  # (utterance,)
    row: npt.NDArray[np.intp]  # (utterance,)


def newest_rows(ids: Sequence[npt.NDArray]) -> Rows:
    """Merge the ids of files, given from oldest to newest; of equal ids the newest counts."""
    joined = np.concatenate(ids)
    file = np.repeat(np.arange(len(ids)), [len(part) for part in ids])
    row = np.concatenate([np.arange(len(part)) for part in ids])
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    last = np.append(joined[1:] != joined[:-1], True) if len(joined) else np.zeros(0, bool)
    return Rows(file[order][last], row[order][last])


@dataclass(frozen=True)
class _Stored:
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # bytes from the file's beginning


class CacheFile:
    """One file of a cache: its attributes, and reads of its datasets.

    HDF5 is asked for a dataset's place when it is first needed: opening a file with many columns
    to read one layer costs no more than that layer.
    """

    def __init__(self, path: Path, keep_open: bool = True) -> None:
        self.path = path
        self.keep_open = keep_open  # between reads; not with many files: descriptors are few
        self._descriptor: int | None = None
        self._identity: tuple[int, ...] | None = None
        self._stored: dict[str, _Stored] = {}
        with self._hdf5() as hdf5:
            attributes = hdf5.attrs
            if _text(attributes.get("format")) != FORMAT:
                raise CacheError(f"{path}: an HDF5 file, but not a {FORMAT} cache")
            version = _text(attributes["version"])
            if version != str(VERSION):
                raise CacheError(
                    f"{path}: cache version {version}, but this program reads {VERSION}"
                )
            self.recipe: dict[str, Any] = json.loads(_text(attributes["recipe"]))
            self.provenance: dict[str, Any] = json.loads(_text(attributes["provenance"]))
            self.fingerprint = _text(attributes["fingerprint"])
            if fingerprint(self.recipe) != self.fingerprint:
                raise CacheError(f"{path}: damaged: its recipe does not match its fingerprint")
            first = f"layers/{self.recipe['pooling'][0]}"
            dataset = hdf5[first]
            _, self._count, self.dim = dataset.shape
            self._locate(dataset, first)

    @contextlib.contextmanager
    def _hdf5(self) -> Iterator[h5py.File]:
        """HDF5's view of the file, for as long as it takes to look something up."""
        descriptor = os.dup(self._open())  # its own: reads meanwhile may close the other
        try:
            with h5py.File(_Positioned(descriptor), "r") as hdf5:
                yield hdf5
        except (CacheError, MemoryError):
            raise
        except Exception as error:  # HDF5 raises nearly everything on a damaged file
            if isinstance(error, OSError) and error.errno in NOT_THE_FILE:
                raise
            raise CacheError(
                f"{self.path}: no cache, or a damaged one ({_first_line(error)}); "
                "move it away and extract again"
            ) from None
        finally:
            os.close(descriptor)
            if not self.keep_open:
                self.close()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The datasets in the file."""
        with self._hdf5() as hdf5:
            found = tuple(
                f"{group}/{name}"
                for group in ("utterances", "layers", "sequences")
                for name in hdf5.get(group, ())
            )
        expected = {f"utterances/{name}" for name in columns.REQUIRED}
        expected |= {f"layers/{pooling}" for pooling in self.recipe["pooling"]}
        if missing := sorted(expected - set(found)):
            raise CacheError(f"{self.path}: damaged: {', '.join(missing)} is missing")
        return found

    def _locate(self, dataset: h5py.Dataset, name: str) -> None:
        stored = _Stored(dataset.shape, dataset.dtype, dataset.id.get_offset() or 0)
        group, _, leaf = name.partition("/")
        length = int(np.prod(stored.shape)) * stored.dtype.itemsize
        expected: tuple[int, ...] = stored.shape
        if group == "utterances":
            expected = (self._count,)
        elif group == "layers":
            expected = (len(self.recipe["layers"]), self._count, self.dim)
        elif leaf == "offsets":
            expected = (self._count + 1,)
        if dataset.chunks or stored.shape != expected:
            raise CacheError(f"{self.path}: damaged: {name} has shape {stored.shape}")
        if stored.offset + length > os.fstat(self._open()).st_size:
            raise CacheError(f"{self.path}: damaged: {name} is cut short")
        self._stored[name] = stored

    def stored(self, name: str) -> _Stored:
        """Shape, type and place of one dataset."""
        if name not in self._stored:
            with self._hdf5() as hdf5:
                self._locate(hdf5[name], name)
        return self._stored[name]

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptor": None}

    @property
    def age(self) -> tuple[str, str]:
        """Sorts files from oldest to newest."""
        return str(self.provenance.get("created", "")), self.path.name

    @property
    def ids(self) -> npt.NDArray:
        """(utterance,) ids as bytes, sorted."""
        return self.read_all("utterances/id")

    def columns(self) -> columns.Columns:
        """All columns, as they are stored."""
        return {
            name.removeprefix("utterances/"): self.read_all(name)
            for name in self.names
            if name.startswith("utterances/")
        }

    def read_all(self, name: str) -> npt.NDArray:
        """A whole dataset."""
        stored = self.stored(name)
        out = np.empty(stored.shape, stored.dtype)
        self._read(out, stored.offset)
        return out

    def read(self, name: str, index: int, start: int, stop: int) -> npt.NDArray:
        """Rows `start` to `stop` of ``dataset[index]``, (row, dim); of a column, (row,)."""
        stored = self.stored(name)
        out = np.empty((stop - start, *stored.shape[2:]), stored.dtype)
        self.read_into(out, name, index, start)
        return out

    def read_into(self, out: npt.NDArray, name: str, index: int, start: int) -> None:
        """Fill `out` (row, dim) from ``dataset[index, start:]``."""
        stored = self.stored(name)
        row = int(np.prod(stored.shape[2:])) * stored.dtype.itemsize
        first = start if len(stored.shape) == 1 else index * stored.shape[1] + start
        self._read(out, stored.offset + first * row)

    def damage(self) -> Iterator[str]:
        """Names of the datasets whose bytes do not match their checksum."""
        with self._hdf5() as hdf5:
            expected = {name: _text(hdf5[name].attrs["sha256"]) for name in self.names}
        for name in self.names:
            stored = self.stored(name)
            checksum, position = hashlib.sha256(), 0
            length = int(np.prod(stored.shape)) * stored.dtype.itemsize
            while position < length:
                block = np.empty(min(HASH_BLOCK, length - position), np.uint8)
                self._read(block, stored.offset + position)
                checksum.update(block.data)
                position += len(block)
            if checksum.hexdigest() != expected[name]:
                yield name

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise CacheError(_missing(self.path)) from None
            identity = _identity(os.fstat(self._descriptor))
            if self._identity not in (None, identity):
                self.close()
                raise CacheError(f"{self.path} was replaced since it was opened; open it again")
            self._identity = identity
        return self._descriptor

    def _read(self, out: npt.NDArray, offset: int) -> None:
        if not out.nbytes:
            return
        descriptor = self._open()
        view = memoryview(out.reshape(-1).view(np.uint8).data)
        try:
            while view:
                count = os.preadv(descriptor, [view], offset)
                if not count:
                    raise CacheError(f"{self.path}: cut short while it was read")
                view, offset = view[count:], offset + count
        finally:
            if not self.keep_open:
                self.close()


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def require_sound(file: CacheFile) -> None:
    """Raise a CacheError if a dataset's bytes do not match its checksum."""
    if damaged := next(file.damage(), None):
        raise CacheError(
            f"{file.path}: damaged: {damaged} does not match its checksum; "
            "move it away and extract again"
        )


def require_same_recipe(one: CacheFile, other: CacheFile) -> None:
    if one.fingerprint != other.fingerprint:
        lines = "\n  ".join(differences(one.recipe, other.recipe))
        raise CacheError(f"{one.path} and {other.path} were made by other recipes:\n  {lines}")


def _missing(path: Path) -> str:
    if files_in(parts_folder(path)):
        return (
            f"{path}: its extraction was not finished. Run the same 'python -m extract' again "
            f"to go on where it stopped, or 'python -m data pack {path}' to use what is there"
        )
    return f"{path}: no such cache; make one with 'python -m extract CORPUS -o {path}'"


class _Positioned(io.RawIOBase):
    """A file object on a descriptor, with a position of its own: forked processes share that of
    the descriptor. It also reads on from a file that was replaced meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = os.fstat(self._descriptor).st_size
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = os.preadv(self._descriptor, [buffer], self._position)
        self._position += count
        return count

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode()
    return str(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
