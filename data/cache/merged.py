"""Files of one recipe, read as one file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from data.cache import columns
from data.cache.file import CacheFile


@dataclass(frozen=True)
class Merged:
    """Utterances of several files, sorted by id."""

    files: Sequence[CacheFile]
    file: npt.NDArray[np.intp]  # (utterance,) position of its file in `files`
    row: npt.NDArray[np.intp]  # (utterance,) its row in the file

    @classmethod
    def of(cls, files: Sequence[CacheFile]) -> Self:
        """Merge files from oldest to newest; if several contain an id, the newest is used."""
        if len(files) == 1:
            count = len(files[0])
            return cls(files, np.zeros(count, np.intp), np.arange(count))
        ids = np.concatenate([file.ids for file in files])
        lengths = [len(file) for file in files]
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        order = order[np.append(ids[1:] != ids[:-1], True)]  # the last, which is the newest
        file = np.repeat(np.arange(len(files)), lengths)[order]
        return cls(files, file, order - np.cumsum([0, *lengths])[file])

    def __len__(self) -> int:
        return len(self.file)

    def where(self, kept: npt.NDArray[np.bool_]) -> Self:
        """The utterances that are marked in `kept`, (utterance,)."""
        return replace(self, file=self.file[kept], row=self.row[kept])

    @cached_property
    def names(self) -> list[str]:
        """Names of the columns of all files, in the order of a file."""
        datasets = (name.partition("/") for file in self.files for name in file.names)
        return columns.ordered(name for group, _, name in datasets if group == "utterances")

    def column(self, name: str, start: int = 0, stop: int | None = None) -> npt.NDArray:
        """One column of utterances `start` to `stop`, (utterance,).

        It is text if a file has text. The values are unknown in files without the column.
        """
        stored = f"utterances/{name}"
        text = self._is_text(name)
        parts = [columns.unknown(0, text)]
        order = [np.zeros(0, np.intp)]
        for file, here, own in self._by_file(start, len(self) if stop is None else stop):
            order.append(here)
            if stored in file.names:
                values = file.read(stored, 0, own[0], own[-1] + 1)[own - own[0]]
                parts.append(columns.as_text(values) if text else values)
            else:
                parts.append(columns.unknown(len(own), text))
        return np.concatenate(parts)[np.argsort(np.concatenate(order))]

    def _is_text(self, name: str) -> bool:
        if name not in self._kinds:
            stored = f"utterances/{name}"
            having = (file for file in self.files if stored in file.names)
            self._kinds[name] = any(file.stored(stored).dtype.kind == "S" for file in having)
        return self._kinds[name]

    @cached_property
    def _kinds(self) -> dict[str, bool]:
        return dict.fromkeys(columns.TEXT, True)

    def read_into(self, out: npt.NDArray, name: str, index: int, start: int) -> None:
        """Fill `out`, (utterance, dim), from ``dataset[index]``, beginning at utterance `start`.

        `index` is ignored for datasets without layers.
        """
        for file, here, own in self._by_file(start, start + len(out)):
            first, stop = own[0], own[-1] + 1
            if len(own) == len(out) == stop - first:
                file.read_into(out, name, index, first)
            else:
                out[here] = file.read(name, index, first, stop)[own - first]

    def _by_file(
        self, start: int, stop: int
    ) -> Iterator[tuple[CacheFile, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Yield each file of a block, the positions of its rows in the block, and its rows.

        All files are sorted by id, so the rows of a file in a block are close to each other.
        """
        file, row = self.file[start:stop], self.row[start:stop]
        order = np.argsort(file, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(file[order])) + 1):
            if len(here):
                yield self.files[file[here[0]]], here, row[here]

    @cached_property
    def _offsets(self) -> list[npt.NDArray[np.int64]]:
        return [file.offsets() for file in self.files]

    def steps(self) -> npt.NDArray[np.int64]:
        """(utterance,) number of steps of the sequences."""
        pairs = zip(self.file, self.row, strict=True)
        lengths = [np.diff(offsets) for offsets in self._offsets]
        return np.array([lengths[file][row] for file, row in pairs], np.int64)

    def sequence(self, index: int, position: int) -> npt.NDArray[np.float16]:
        """Sequence of one stored layer and utterance, (step, dim)."""
        file, row = self.file[position], self.row[position]
        start, stop = self._offsets[file][row : row + 2]
        return self.files[file].read("sequences/values", index, start, stop)
