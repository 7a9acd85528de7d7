"""Identify this machine, and lock files, on file systems that several machines share."""

import contextlib
import errno
import fcntl
import os
from functools import cache
from pathlib import Path

NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@cache
def machine() -> str:
    """An identifier of this machine, which changes when it is restarted."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return os.uname().nodename


def flock(descriptor: int, operation: int) -> bool:
    """`fcntl.flock`; whether it could be done. It cannot where the file system has no locks.

    Raises:
        BlockingIOError: another process holds the lock, and ``LOCK_NB`` was asked for.
    """
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True
