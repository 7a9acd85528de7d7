"""The options of a server, and its limits."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import UsageError

FIRST_PORT = 7860  # tried first if none is asked for
LONGEST = 600.0  # seconds that are embedded as a whole, `extract.audio.MAX_SECONDS`
MEGABYTE = 2**20  # bytes, as browsers count


@dataclass(frozen=True)
class ServeOptions:
    """The address of a server and what it refuses; verified once, here, but for the window and hop,
    which `extract.sliding` knows about."""

    host: str = "127.0.0.1"
    allow_host: Sequence[str] = ()  # further names that requests may call this server by
    port: int | None = None  # 0: any free one; None: the first free one from `FIRST_PORT` on
    max_mb: float = 64.0  # of one recording; holds what a browser records in `max_seconds`
    max_seconds: float = 300.0  # of one recording
    queue: int = 8  # recordings that wait while one is predicted
    window: float = 3.0  # length of a window of the timeline in seconds
    hop: float = 1.0  # distance of the windows in seconds

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port < 2**16:
            raise UsageError(f"--port {self.port}: expected 0 (any free one) to {2**16 - 1}")
        for name in self.allow_host:
            if "*" in name or host_name(name) is None:
                raise UsageError(
                    f"--allow-host {name}: expected one host name or address, such as "
                    "emotions.example, without http:// and without a port"
                )
        if not 0 < self.max_mb <= 10_000:
            raise UsageError(f"--max-mb {self.max_mb:g}: expected more than 0, at most 10000")
        if not 0 < self.max_seconds <= LONGEST:
            raise UsageError(
                f"--max-seconds {self.max_seconds:g}: expected more than 0, at most {LONGEST:g}"
            )
        if self.queue < 0:
            raise UsageError(f"--queue {self.queue}: expected 0 or more")

    @property
    def max_bytes(self) -> int:
        """Largest size of one recording in bytes."""
        return round(self.max_mb * MEGABYTE)

    @property
    def most_bytes(self) -> int:
        """Largest size of all uploads on disk in bytes."""
        return (self.queue + 2) * self.max_bytes

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def host_name(written: str) -> str | None:
    """A host name or address in the form in which two are compared; None if it is neither.

    >>> host_name("LocalHost."), host_name("[0:0::1]"), host_name("::ffff:127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    >>> host_name("bücher.example"), host_name("http://localhost"), host_name("localhost:80")
    ('xn--bcher-kva.example', None, None)
    """
    bare = written.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        pass
    else:
        return str(getattr(address, "ipv4_mapped", None) or address)
    try:
        name = written.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return None
    return name if name and not set(name) & set(":/?#@[]\\, ") else None
