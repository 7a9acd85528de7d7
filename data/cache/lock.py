"""Lock a folder against all other processes, on one machine or on several machines that share it.

``flock`` excludes the other processes of a machine, and the kernel frees it when a process dies.
Some shared file systems do not pass it on to other machines (Lustre with ``localflock``, BeeGFS),
and some do not support it. A process that holds it therefore also takes a *lease*: a symbolic link
that names its owner. Only one process can create this link, on any file system. The owner renews
the time of the link. If a waiting process sees no renewal for `LEASE` seconds, it assumes that the
owner has died, and takes the lease over.
"""

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from data.atomic import sync_folder
from data.machine import flock, machine

LOCK = "lock"
OWNER = "owner"
LEASE = 180.0  # seconds; it may take NFS a minute to show that a lease was renewed
RENEWAL = 20.0  # seconds
POLL = 0.2  # seconds


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, which is created if it does not exist."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            sync_folder(folder.parent)
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process has removed the folder
            continue
        try:
            alone_here = flock(descriptor, fcntl.LOCK_EX)
            if _is(folder / LOCK, descriptor) and (lease := _take(folder / OWNER, alone_here)):
                with _renewed(folder / OWNER, lease):
                    yield
                return
        finally:
            os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove a folder whose lock this process holds.

    Raises:
        OSError: the folder contains other files.
    """
    (folder / LOCK).unlink()
    (folder / OWNER).unlink(missing_ok=True)
    folder.rmdir()


def _is(path: Path, descriptor: int) -> bool:
    """Whether `path` is still the opened file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _take(link: Path, alone_here: bool) -> str | None:
    """Wait for the lease; return its name, or None if the folder was removed."""
    own = f"{machine()}:{os.getpid()}:{secrets.token_hex(4)}"
    watched, since = None, time.monotonic()
    while True:
        try:
            link.symlink_to(own)
            return own
        except FileNotFoundError:
            return None
        except FileExistsError:
            pass
        except OSError:  # the file system has no links, so only `flock` protects
            return own
        try:
            owner = os.readlink(link), link.lstat().st_mtime_ns
        except FileNotFoundError:  # the owner has released it
            continue
        if owner != watched:
            watched, since = owner, time.monotonic()
        # a living owner on this machine would hold the flock
        died_here = alone_here and owner[0].startswith(f"{machine()}:")
        if died_here or time.monotonic() - since > LEASE:
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
        else:
            time.sleep(POLL)


@contextlib.contextmanager
def _renewed(link: Path, own: str) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEWAL):
            with contextlib.suppress(OSError):
                os.utime(link, follow_symlinks=False)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(OSError):
            if os.readlink(link) == own:
                link.unlink()
