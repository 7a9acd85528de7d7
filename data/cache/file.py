"""The format of a cache file; read one file.

::

    /                     attributes: format, version, fingerprint, recipe (JSON), provenance (JSON)
    /utterances/<column>  (utterance,)             fixed-length UTF-8 or float64, sorted by id
    /layers/<pooling>     (layer, utterance, dim)  float32
    /baselines/<name>     (utterance, dim)         float32, features without a model
    /sequences/values     (layer, Σ steps, dim)    float16, only with sequences
    /sequences/offsets    (utterance + 1,)         int64

Numbers are little-endian. Every dataset is contiguous, so one layer of all utterances is one read.
HDF5 locates the datasets, and the numbers are then read directly from the file. This is as fast as
a memory map, but raises an error instead of a bus error if the file is cut short.
"""

import contextlib
import errno
import hashlib
import json
import logging
import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.recipe import Recipe, difference_lines, fingerprint
from data.errors import CacheError

log = logging.getLogger("wav2emo")

FORMAT = "wav2emo"
VERSION = 1
HASH_BLOCK = 1 << 22  # bytes
AGAIN = "move it away and extract again"
NOT_THE_FILE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES}


def arrays(recipe: Recipe) -> list[str]:
    """Names of the datasets in a file of a recipe, but for columns."""
    names = [f"layers/{pooling}" for pooling in recipe["pooling"]]
    names += [f"baselines/{name}" for name in recipe.get("baselines") or ()]
    if recipe.get("sequence_layers"):
        names += ["sequences/values", "sequences/offsets"]
    return names


def parts_folder(cache: Path) -> Path:
    """The folder with the shards of `cache`."""
    return cache.with_name(cache.name + ".parts")


def files_in(folder: Path) -> list[Path]:
    """The cache files of a folder, sorted by name; empty if the folder does not exist."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(".h5"))
    except FileNotFoundError:
        return []


@dataclass(frozen=True)
class _Stored:
    """A dataset in a file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # bytes from the start of the file

    @property
    def bytes(self) -> int:
        """Its length."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def row(self) -> tuple[int, ...]:
        """Shape of one row: () for a column, else (dim,)."""
        return self.shape[1:][-1:]


class CacheFile:
    """One file of a cache: its attributes and datasets.

    HDF5 locates the datasets when the file is opened. Later it only reads their checksums.

    Raises:
        CacheError: it is not a cache of this version, or damaged. Damage of a dataset is an error
            when the dataset is read.
    """

    def __init__(self, path: Path, keep_open: bool = True) -> None:
        self.path = path
        self.keep_open = keep_open  # False saves descriptors if there are many files
        self._descriptor: int | None = None
        self._identity: tuple[int, ...] | None = None
        with self._hdf5() as hdf5:
            self._read_attributes(hdf5.attrs)
            self._locate(hdf5, os.fstat(self._open()).st_size)

    @contextlib.contextmanager
    def _hdf5(self) -> Iterator[h5py.File]:
        """The file as HDF5 reads it."""
        try:
            with open(self._open(), "rb", closefd=False) as file, h5py.File(file, "r") as hdf5:
                yield hdf5
        except (CacheError, MemoryError):
            raise
        except Exception as error:  # HDF5 raises many types of errors for a damaged file
            if isinstance(error, OSError) and error.errno in NOT_THE_FILE:
                raise
            log.debug("%s: %s", self.path, error)
            raise CacheError(
                f"{self.path}: not a cache, or damaged; if it is damaged, {AGAIN}"
            ) from None
        finally:
            if not self.keep_open:
                self.close()

    def _read_attributes(self, attributes: h5py.AttributeManager) -> None:
        if _text(attributes.get("format")) != FORMAT:
            raise CacheError(f"{self.path}: an HDF5 file, but not a {FORMAT} cache")
        version = _text(attributes["version"])
        if version != str(VERSION):
            raise CacheError(
                f"{self.path}: cache version {version}, but this program reads {VERSION}"
            )
        self.recipe: dict[str, Any] = json.loads(_text(attributes["recipe"]))
        self.provenance: dict[str, Any] = json.loads(_text(attributes["provenance"]))
        self.fingerprint = _text(attributes["fingerprint"])
        if fingerprint(self.recipe) != self.fingerprint:
            raise CacheError(f"{self.path}: damaged: its recipe does not match its fingerprint")
        _check(self.recipe, self.provenance)

    def _locate(self, hdf5: h5py.File, size: int) -> None:
        """Locate the datasets in a file of `size` bytes."""
        found = {
            f"{group}/{name}": dataset
            for group in ("utterances", "layers", "baselines", "sequences")
            for name, dataset in hdf5.get(group, {}).items()
        }
        expected = {f"utterances/{name}" for name in columns.REQUIRED} | {*arrays(self.recipe)}
        if missing := sorted(expected - found.keys()):
            raise CacheError(f"{self.path}: damaged: {', '.join(missing)} is missing")
        first = f"layers/{self.recipe['pooling'][0]}"
        if not isinstance(found[first], h5py.Dataset) or found[first].ndim != 3:
            raise CacheError(f"{self.path}: damaged: {first} is not an array of 3 axes; {AGAIN}")
        _, self._count, self.dim = found[first].shape
        self._datasets = {name: self._located(found[name], name, size) for name in found}
        self.stored(first)

    def _located(self, dataset: h5py.Dataset, name: str, size: int) -> _Stored | str:
        """The place of a dataset, or what is wrong with it."""
        if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
            return f"{name} is not an array"
        dtype, offset = dataset.dtype, dataset.id.get_offset()
        types, shape = self._schema(name, dataset.shape)
        if (dtype.kind if dtype.kind == "S" else dtype.str) not in types:
            expected = " or ".join(_type_name(np.dtype(each)) for each in types)
            return f"{name} is {_type_name(dtype)}, expected {expected}"
        stored = _Stored(dataset.shape, dtype, offset or 0)
        contiguous = offset is not None or not (stored.bytes or dataset.chunks)
        if not contiguous or stored.shape != shape:
            return f"{name} has shape {stored.shape}{'' if contiguous else ', not contiguous'}"
        return f"{name} is cut short" if stored.offset + stored.bytes > size else stored

    def _schema(self, name: str, shape: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Types that a dataset may have, and its shape; free axes are taken from `shape`."""
        group, _, leaf = name.partition("/")
        if group == "utterances":
            return columns.types(leaf), (self._count,)
        if group == "layers":
            return ("<f4",), (len(self.recipe["layers"]), self._count, self.dim)
        if group == "baselines":
            return ("<f4",), (self._count, *shape[-1:])
        if leaf == "offsets":
            return ("<i8",), (self._count + 1,)
        return ("<f2",), (len(self.recipe.get("sequence_layers") or ()), *shape[1:2], self.dim)

    def stored(self, name: str) -> _Stored:
        """Shape, type and offset of one dataset.

        Raises:
            CacheError: they are not those of the schema.
        """
        found = self._datasets[name]
        if isinstance(found, str):
            raise CacheError(f"{self.path}: damaged: {found}; {AGAIN}")
        return found

    @property
    def names(self) -> Collection[str]:
        """Names of the datasets in the file."""
        return self._datasets.keys()

    @property
    def malformed(self) -> list[str]:
        """Errors of the datasets whose type or shape is not that of the schema."""
        return [found for found in self._datasets.values() if isinstance(found, str)]

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptor": None, "path": self.path.absolute()}

    @property
    def age(self) -> tuple[str, str]:
        """Sorts files from oldest to newest."""
        return str(self.provenance.get("created", "")), self.path.name

    @property
    def ids(self) -> npt.NDArray:
        """(utterance,) ids as bytes, sorted."""
        return self.read_all("utterances/id")

    def read_all(self, name: str) -> npt.NDArray:
        """Read a whole dataset."""
        stored = self.stored(name)
        out = np.empty(stored.shape, stored.dtype)
        self._read(out, stored.offset)
        return out

    def read(self, name: str, index: int, start: int, stop: int) -> npt.NDArray:
        """Read rows `start` to `stop` of ``dataset[index]``: (row, dim).

        `index` is ignored for datasets without layers, such as columns.
        """
        stored = self.stored(name)
        out = np.empty((stop - start, *stored.row), stored.dtype)
        self.read_into(out, name, index, start)
        return out

    def read_into(self, out: npt.NDArray, name: str, index: int, start: int) -> None:
        """Fill `out` (row, dim) from ``dataset[index, start:]``."""
        stored = self.stored(name)
        row = math.prod(stored.row) * stored.dtype.itemsize
        first = index * stored.shape[1] + start if len(stored.shape) == 3 else start
        self._read(out, stored.offset + first * row)

    def offsets(self) -> npt.NDArray[np.int64]:
        """Start of the sequence of each utterance, and the end of the last: (utterance + 1,).

        Raises:
            CacheError: the offsets do not fit the stored sequences.
        """
        offsets = self.read_all("sequences/offsets")
        steps = self.stored("sequences/values").shape[1]
        if offsets[0] != 0 or offsets[-1] != steps or (offsets[1:] < offsets[:-1]).any():
            raise CacheError(f"{self.path}: damaged: sequences/offsets do not fit the values")
        return offsets

    def damage(self) -> Iterator[str]:
        """Yield the names of the datasets whose bytes do not match their checksum.

        Raises:
            CacheError: the shape or type of a dataset is not that of the schema.
        """
        for name in self.names:
            self.stored(name)
        with self._hdf5() as hdf5:
            expected = {name: _text(hdf5[name].attrs.get("sha256")) for name in self.names}
        for name in self.names:
            stored = self.stored(name)
            checksum, position = hashlib.sha256(), 0
            while position < stored.bytes:
                block = np.empty(min(HASH_BLOCK, stored.bytes - position), np.uint8)
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
                raise CacheError(f"{self.path} was replaced after it was opened; open it again")
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


def _type_name(dtype: np.dtype) -> str:
    if dtype.kind == "S":
        return "text of a fixed length"
    text = dtype.kind == "O" and h5py.check_string_dtype(dtype)
    return "text of variable length" if text else str(dtype)[:40]


def _check(recipe: Any, provenance: Any) -> None:
    """Raise a ValueError if the attributes do not have the types of the schema."""
    names, optional = recipe["pooling"], recipe.get("baselines") or []
    numbers = [*recipe["layers"], *(recipe.get("sequence_layers") or [])]
    if not names or not all(isinstance(name, str) for name in [*names, *optional]):
        raise ValueError("pooling and baselines must be names")
    if not all(isinstance(number, int) for number in numbers):
        raise ValueError("layers must be numbers")
    if not isinstance(provenance, dict):
        raise ValueError("the provenance must be an object")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    # without the device, whose number differs between the machines of a shared file system
    return status.st_ino, status.st_size, status.st_mtime_ns


def require_sound(file: CacheFile) -> None:
    """Raise a CacheError if a dataset does not match its checksum."""
    if damaged := next(file.damage(), None):
        raise CacheError(f"{file.path}: damaged: {damaged} does not match its checksum; {AGAIN}")


def require_same_recipe(files: Sequence[CacheFile]) -> None:
    """Raise a CacheError if the recipes of files differ."""
    for other in files[1:]:
        if other.fingerprint != files[0].fingerprint:
            first = f"{files[0].path} and {other.path} have different recipes:"
            raise CacheError(difference_lines(first, files[0].recipe, other.recipe))


def _missing(path: Path) -> str:
    if files_in(parts_folder(path)):
        return (
            f"{path}: its extraction is not finished. Run the same 'python -m extract' again to "
            f"continue, or 'python -m data pack {path}' to use the finished utterances"
        )
    return f"{path}: no such cache; make one with 'python -m extract CORPUS -o {path}'"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
