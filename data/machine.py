"""Identify this machine, and lock files on shared file systems."""

import contextlib
import errno
import fcntl
import os
from functools import cache
from pathlib import Path

NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@cache
def machine() -> str:
    """An identifier of this machine, which changes when the machine is restarted."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return os.uname().nodename


def flock(descriptor: int, operation: int) -> bool:
    """Call `fcntl.flock`; return False if the file system has no locks.

    Raises:
        BlockingIOError: another process holds the lock, and `operation` contains ``LOCK_NB``.
    """
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True
