"""Write one HDF5 file atomically.

A file that HDF5 is writing is lost if the process crashes or the disk is full. HDF5 is therefore
used in memory only, to lay out a file object that keeps a few kilobytes of metadata. The numbers
are then written at the offsets of that layout, block by block, into a temporary file
(`data.atomic`), and their checksums are computed. Equal contents have equal bytes.
"""

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from data.atomic import replacing, write_at

ALIGNMENT = 64  # bytes: a cache line
PROVENANCE_BLOCK = 4096  # bytes; padding keeps all other bytes in place when provenance changes
_NO_CHECKSUM = "0" * 64


@dataclass(frozen=True)
class Dataset:
    """The content of a dataset to write.

    ``blocks()`` yields its values in C order, as arrays of any shape. One block is in memory at a
    time.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Callable[[], Iterable[npt.NDArray]]

    @classmethod
    def of(cls, array: npt.NDArray) -> "Dataset":
        """Make a dataset from an array."""
        return cls(array.shape, array.dtype, lambda: [array])


def publish(path: Path, attributes: Mapping[str, str], datasets: Mapping[str, Dataset]) -> None:
    """Write `datasets` (full name → content) and the root `attributes` to `path`, atomically.

    Every dataset is contiguous and uncompressed, and has the SHA-256 of its bytes as its attribute
    ``sha256``.

    Raises:
        OSError: the disk is full or fails; `path` has not changed.
    """
    offsets, layout = _lay_out(attributes, datasets, checksums={})
    with replacing(path) as descriptor:
        _allocate(descriptor, layout.size)
        checksums = {
            name: _write_blocks(descriptor, dataset, name, offsets[name])
            for name, dataset in datasets.items()
        }
        _, layout = _lay_out(attributes, datasets, checksums)
        for offset, metadata in layout.writes:
            write_at(descriptor, memoryview(metadata), offset)


def _allocate(descriptor: int, size: int) -> None:
    """Allocate the space, so that a full disk fails before anything is written."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # the file system cannot
                raise
    os.ftruncate(descriptor, size)


def _write_blocks(descriptor: int, dataset: Dataset, name: str, offset: int) -> str:
    checksum = hashlib.sha256()
    written = 0
    for block in dataset.blocks():
        content = np.ascontiguousarray(block, dataset.dtype).data.cast("B")
        write_at(descriptor, content, offset + written)
        checksum.update(content)
        written += len(content)
    expected = int(np.prod(dataset.shape)) * dataset.dtype.itemsize
    if written != expected:
        raise ValueError(f"{name}: got {written} bytes, expected {expected} for {dataset.shape}")
    return checksum.hexdigest()


def _lay_out(
    attributes: Mapping[str, str], datasets: Mapping[str, Dataset], checksums: Mapping[str, str]
) -> "tuple[dict[str, int], _MetadataOnly]":
    """Lay out the file by HDF5, without the numbers; return the offsets of the datasets, and it."""
    memory = _MetadataOnly()
    offsets = {}
    with h5py.File(
        memory,
        "w",
        libver=("v110", "v110"),  # fixed, so that all releases of HDF5 write the same bytes
        alignment_threshold=ALIGNMENT,
        alignment_interval=ALIGNMENT,
    ) as file:
        for name, value in attributes.items():
            if name == "provenance":
                value += " " * (-len(value.encode()) % PROVENANCE_BLOCK)
            file.attrs[name] = value
        for name, dataset in datasets.items():
            group, _, leaf = name.rpartition("/")
            created = _create(file.require_group(group), leaf, dataset)
            created.attrs.create(
                "sha256",
                checksums.get(name, _NO_CHECKSUM),
                dtype=h5py.string_dtype("ascii", len(_NO_CHECKSUM)),
            )
            offsets[name] = created.id.get_offset() or 0
    return offsets, memory


def _create(group: h5py.Group, name: str, dataset: Dataset) -> h5py.Dataset:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # determines the offset
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # without writing
    properties.set_obj_track_times(False)
    dtype = dataset.dtype
    if dtype.kind == "S":
        dtype = h5py.string_dtype("utf-8", dtype.itemsize)
    kind = h5py.h5t.py_create(dtype, logical=True)
    space = h5py.h5s.create_simple(dataset.shape)
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, space, properties))


class _MetadataOnly(io.RawIOBase):
    """A file object that records its writes and its size."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, bytes]] = []
        self.size = 0
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self.writes.append((self._position, bytes(content)))
        self._position += len(content)
        self.size = max(self.size, self._position)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        return self.size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        begin, end = self._position, min(self._position + len(buffer), self.size)
        content = bytearray(max(0, end - begin))
        for start, written in self.writes:
            low, high = max(begin, start), min(end, start + len(written))
            if low < high:
                content[low - begin : high - begin] = written[low - start : high - start]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
