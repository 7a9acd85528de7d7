"""Every instant at which the machine may stop, or the disk may fail, while a cache is written.

The system calls of real publishing and packing are recorded. For the power loss, every prefix of
them is replayed into what a disk may hold then: a write that was not flushed may be there, or
missing, or half there; so may a rename in a folder that was not flushed.
"""

import contextlib
import errno
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
from standin import StandIn

from data import Cache
from data.cache.columns import from_utterances
from data.cache.shards import Shards
from data.errors import CacheError
from data.utterance import Utterance

RECIPE = StandIn(baselines={"energy": "of nothing"}).recipe
PER_SHARD = 5


def shard(number: int) -> tuple[dict, dict, dict]:
    """Columns, layers and baselines of a small shard."""
    utterances = [
        Utterance(f"c/{number}-{n}", "c", Path(), f"{number}-{n}.wav", "s", "anger")
        for n in range(PER_SHARD)
    ]
    rows = from_utterances(utterances, [1.0] * PER_SHARD, [f"{number:064x}"] * PER_SHARD)
    values = np.random.default_rng(number).standard_normal((3, PER_SHARD, 8))
    values = values.astype(np.float32)
    return rows, {"mean": values}, {"energy": values[0, :, :2]}


@dataclass
class Session:
    """Publishes shards and packs them; `safe` is what was reported as published."""

    cache: Path
    safe: set[str] = field(default_factory=set)

    def run(self, acknowledge: Callable[[], None] = lambda: None) -> None:
        parts = Shards(self.cache)
        parts.claim(RECIPE)
        for round_ in range(2):
            for number in (2 * round_, 2 * round_ + 1):
                rows, layers, baselines = shard(number)
                parts.publish(RECIPE, rows, layers, None, {}, baselines)
                self.safe |= {name.decode() for name in rows["id"]}
                acknowledge()
            parts.pack()
        parts.clean()


def check(cache: Path, safe: set[str]) -> str:
    """What is wrong with what was left: nothing, or the reason."""
    parts = Shards(cache)
    known = set(parts.known())
    if list(parts.folder.glob("*.damaged")):
        return "a damaged shard"
    if missing := safe - known:
        return f"lost {sorted(missing)[:3]}"
    if known:
        parts.pack()
        with Cache(cache) as packed:
            if set(packed.utterances["id"]) != known:
                return "packing lost something"
            energy = dict(zip(packed.utterances["id"], packed.baseline("energy"), strict=True))
            for name in known:
                number, row = map(int, name.removeprefix("c/").split("-"))
                _, layers, baselines = shard(number)
                if not np.array_equal(packed[name], layers["mean"][:, row]):
                    return f"other numbers in {name}"
                if not np.array_equal(energy[name], baselines["energy"][row]):
                    return f"other baselines in {name}"
    parts.clean()
    return ""


# --- power loss


@dataclass
class Disk:
    """A model of files: what is in the page cache, and what of it has reached the disk."""

    names: dict[str, int] = field(default_factory=dict)  # as processes see them
    durable_names: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytearray] = field(default_factory=dict)
    durable: dict[int, bytes] = field(default_factory=dict)
    unflushed: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)

    def apply(self, call: tuple) -> None:
        match call:
            case ("create", name, inode):
                self.names[name] = inode
                self.contents[inode], self.durable[inode] = bytearray(), b""
                self.unflushed[inode] = []
            case ("write", inode, offset, data):
                content = self.contents[inode]
                content.extend(bytes(max(0, offset + len(data) - len(content))))
                content[offset : offset + len(data)] = data
                self.unflushed[inode].append((offset, data))
            case ("flush", inode):
                self.durable[inode] = bytes(self.contents[inode])
                self.unflushed[inode] = []
            case ("flush folder", folder):
                here = {n: i for n, i in self.names.items() if n.rpartition("/")[0] == folder}
                gone = [n for n in self.durable_names if n.rpartition("/")[0] == folder]
                for name in gone:
                    del self.durable_names[name]
                self.durable_names.update(here)
            case ("rename", old, new):
                self.names[new] = self.names.pop(old)
            case ("unlink", name):
                self.names.pop(name, None)  # locks are no files, and do not last

    def after_power_loss(self, chance: random.Random) -> Iterator[dict[str, bytes]]:
        """What may be found: everything, the least, names without contents, and a random part."""
        yield {n: bytes(self.contents[i]) for n, i in self.names.items()}
        yield {n: self.durable[i] for n, i in self.durable_names.items()}
        yield {n: self.durable[i] for n, i in self.names.items()}
        partly = {}
        for inode, durable in self.durable.items():
            content = bytearray(durable)
            for offset, data in self.unflushed[inode]:
                if chance.random() < 0.5:
                    data = data[: chance.randrange(len(data) + 1)]
                content.extend(bytes(max(0, offset + len(data) - len(content))))
                content[offset : offset + len(data)] = data
            partly[inode] = bytes(content)
        names = chance.choice((self.names, self.durable_names))
        yield {n: partly[i] for n, i in names.items()}


def record(folder: Path) -> list[tuple]:
    """The system calls of a session in `folder`, and when utterances were reported as published."""
    calls: list[tuple] = []
    inodes: dict[int, int] = {}  # descriptor → inode number of ours
    real = {name: getattr(os, name) for name in ("open", "pwrite", "fsync", "replace", "unlink")}
    real["close"] = os.close

    def relative(path: os.PathLike | str) -> str:
        return str(Path(path).relative_to(folder))

    def open_(path, flags, *args, **kwargs):
        new = bool(flags & os.O_CREAT) and not os.path.exists(path)
        descriptor = real["open"](path, flags, *args, **kwargs)
        inodes.pop(descriptor, None)
        if Path(path).is_dir():
            inodes[descriptor] = -1 - len(calls)
            folders[descriptor] = relative(path)
        elif new:
            inodes[descriptor] = len(calls)
            calls.append(("create", relative(path), len(calls)))
        return descriptor

    folders: dict[int, str] = {}

    def pwrite(descriptor, data, offset):
        count = real["pwrite"](descriptor, data, offset)
        calls.append(("write", inodes[descriptor], offset, bytes(data[:count])))
        return count

    def fsync(descriptor):
        real["fsync"](descriptor)
        if descriptor in folders and inodes.get(descriptor, 0) < 0:
            name = folders[descriptor]
            calls.append(("flush folder", "" if name == "." else name))
        else:
            calls.append(("flush", inodes[descriptor]))

    def replace(old, new, **kwargs):
        real["replace"](old, new, **kwargs)
        calls.append(("rename", relative(old), relative(new)))

    def unlink(path, **kwargs):
        real["unlink"](path, **kwargs)
        calls.append(("unlink", relative(path)))

    session = Session(folder / "c.h5")
    with (
        mock.patch.object(os, "open", open_),
        mock.patch.object(os, "pwrite", pwrite),
        mock.patch.object(os, "fsync", fsync),
        mock.patch.object(os, "replace", replace),
        mock.patch.object(os, "unlink", unlink),
    ):
        session.run(lambda: calls.append(("safe", frozenset(session.safe))))
    return calls


def power_losses(
    folder: Path, every: int = 1, seed: int = 0, ignored: str = ""
) -> tuple[int, list[str]]:
    """Stop after each (or each `every`-th) call; return the states looked at and the failures.

    The disk ignores calls of the kind `ignored`; without ``flush`` there must be losses.
    """
    (folder / "recorded").mkdir()
    calls = record(folder / "recorded")
    chance = random.Random(seed)
    disk, safe = Disk(), frozenset()
    states, failures = 0, []
    for number, call in enumerate(calls):
        if call[0] == "safe":
            safe = call[1]
        elif call[0] != ignored:
            disk.apply(call)
        if number % every:
            continue
        for kind, state in enumerate(disk.after_power_loss(chance)):
            place = folder / f"{number}-{kind}"
            (place / "c.h5.parts").mkdir(parents=True)
            for name, content in state.items():
                (place / name).write_bytes(content)
            states += 1
            try:
                problem = check(place / "c.h5", set(safe))
            except CacheError as error:
                problem = str(error)
            if problem:
                failures.append(f"after call {number} {call[:2]}, kind {kind}: {problem}")
    return states, failures


# --- a disk that fails


CALLS = ("pwrite", "fsync", "replace", "posix_fallocate")


@contextlib.contextmanager
def failing(at: int, number: int) -> Iterator[list[int]]:
    """Let the `at`-th of `CALLS` fail with error `number`; count the calls."""
    count = [0]

    def wrap(real: Callable) -> Callable:
        def call(*args, **kwargs):
            count[0] += 1
            if count[0] == at:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call

    with contextlib.ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(mock.patch.object(os, name, wrap(getattr(os, name))))
        yield count


def full_disks(folder: Path, every: int = 1) -> tuple[int, list[str]]:
    """Fail at each (or each `every`-th) call of a session; return the points and the failures."""
    failures = []
    (folder / "whole").mkdir()
    with failing(0, errno.ENOSPC) as count:
        Session(folder / "whole" / "c.h5").run()
    points = range(1, count[0] + 1, every)
    for at in points:
        place = folder / str(at)
        place.mkdir()
        session = Session(place / "c.h5")
        try:
            with failing(at, errno.ENOSPC):
                session.run()
            failures.append(f"call {at}: no error")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                failures.append(f"call {at}: {error}")
        if problem := check(place / "c.h5", session.safe):
            failures.append(f"call {at}: {problem}")
        if rest := [p.name for p in place.rglob("*.tmp")]:
            failures.append(f"call {at}: left {rest}")
    return len(points), failures
