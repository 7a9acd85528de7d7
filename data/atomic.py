"""Write files atomically: readers see the old content or the new content, never a mixture.

A temporary file is written beside the destination, flushed to disk and renamed to the destination.
Then the folder is flushed.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from data.errors import UsageError
from data.machine import flock, machine

ABANDONED = 3600.0  # seconds
_TEMPORARY = ".tmp"


def publish_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, atomically."""
    with replacing(path) as descriptor:
        write_at(descriptor, memoryview(content), 0)


@contextlib.contextmanager
def new_output(out: Path) -> Iterator[Path]:
    """A path beside `out` for a file or a folder, which is renamed to `out` at the end.

    Raises:
        UsageError: `out` is a folder that is not empty.
    """
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} exists and is not empty; remove it or choose another name")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}{out.suffix}")
    try:
        yield temporary
        if out.is_dir():
            out.rmdir()
        os.replace(temporary, out)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush renames and removals in `folder` to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_stale(path: Path) -> None:
    """Remove temporary files for `path` (or in it, if it is a folder) whose writers were killed.

    A writer holds a lock while it lives. Locks may not work between machines, so files of other
    machines are only removed if they were not written to for an hour.
    """
    folder, pattern = (path, ".*") if path.is_dir() else (path.parent, f".{path.name}.*")
    for temporary in folder.glob(pattern + _TEMPORARY):
        with contextlib.suppress(OSError):
            descriptor = os.open(temporary, os.O_RDWR)
            try:
                locked = flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                ours = locked and f".{_writer()}-" in temporary.name
                if ours or time.time() - os.fstat(descriptor).st_mtime > ABANDONED:
                    temporary.unlink()
            finally:
                os.close(descriptor)


def _writer() -> str:
    """Part of the names of this machine's temporary files."""
    return hashlib.sha256(machine().encode()).hexdigest()[:8]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[int]:
    """The descriptor of a new file, which replaces `path` at the end, unless there is an error."""
    token = f"{_writer()}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.name}.{token}{_TEMPORARY}")
    while True:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # another process removed it as stale before it was locked
    try:
        yield descriptor
        os.fsync(descriptor)
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it was renamed
            temporary.unlink()
        os.close(descriptor)


def write_at(descriptor: int, content: memoryview, offset: int) -> None:
    """Write `content` at `offset`, in bytes from the start of the file."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
