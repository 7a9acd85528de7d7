"""Check a cache: types, shapes, checksums, finite numbers, unique sorted ids, offsets."""

from collections.abc import Iterator

import numpy as np

from data.cache.file import AGAIN, CacheFile
from data.cache.reader import Cache
from data.errors import CacheError


def problems(cache: Cache) -> Iterator[str]:
    """Yield every defect of the files of a cache, one line each."""
    for file in cache.files:
        for problem in _file_problems(file):
            yield f"{file.path}: {problem}"


def _file_problems(file: CacheFile) -> Iterator[str]:
    if file.malformed:
        yield from (f"{problem}; {AGAIN}" for problem in file.malformed)
        return
    damaged = set(file.damage())
    for name in sorted(damaged):
        yield f"{name} does not match its checksum"
    for name in sorted(set(file.names) - damaged):
        dtype = file.stored(name).dtype
        if name.startswith("utterances/") and dtype.kind == "S":
            for value in file.read_all(name).tolist():
                try:
                    value.decode()
                except UnicodeDecodeError:
                    yield f"{name} has text that is not UTF-8: {value!r}"
        elif name.startswith("baselines/") and not np.isfinite(file.read_all(name)).all():
            yield f"{name}: NaN or infinite"
        elif name.startswith("layers/") or name == "sequences/values":
            numbers = file.recipe["layers" if name.startswith("layers/") else "sequence_layers"]
            for index, number in enumerate(numbers):
                if not np.isfinite(file.read(name, index, 0, file.stored(name).shape[1])).all():
                    yield f"{name}, layer {number}: NaN or infinite"
    if "utterances/id" not in damaged:
        ids = file.ids
        if (ids[1:] == ids[:-1]).any():
            yield "utterances/id: not unique"
        if (ids[1:] < ids[:-1]).any():
            yield "utterances/id: not in order"
    if "sequences/offsets" in file.names and not damaged:
        try:
            fitting = bool((np.diff(file.offsets()) > 0).all())
        except CacheError:
            fitting = False
        if not fitting:
            yield "sequences/offsets: do not fit the values"
