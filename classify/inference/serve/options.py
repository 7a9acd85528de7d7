"""The options of a server, and its limits."""

import ipaddress
from dataclasses import dataclass
from math import inf

from data.errors import UsageError
from data.options import option, verify

FIRST_PORT = 7860  # tried first if none is asked for
LONGEST = 600.0  # seconds that are embedded as a whole, `extract.audio.MAX_SECONDS`
MEGABYTE = 2**20  # bytes, as browsers count


@dataclass(frozen=True)
class ServeOptions:
    """The address of a server and what it refuses; verified once, here, but for the window and hop,
    which `extract.sliding` knows about."""

    host: str = option(
        "127.0.0.1",
        "address to listen at; 0.0.0.0 accepts requests from other machines",
    )
    allow_host: tuple[str, ...] = option(
        (),
        "accept requests to this host name too, such as that of a proxy; may be repeated (default: "
        "the address it listens at and localhost)",
        type=str,
        action="append",
        metavar="NAME",
    )
    port: int | None = option(
        None,
        f"port; 0: any free port (default: the first free port from {FIRST_PORT} on)",
        metavar="N",
    )
    max_mb: float = option(  # holds what a browser records in `max_seconds`
        64.0, "refuse larger recordings", metavar="MB"
    )
    max_seconds: float = option(300.0, "refuse longer recordings", metavar="S")
    queue: int = option(
        8, "recordings that may wait; more are refused", limits=(0, inf), metavar="N"
    )
    window: float = option(3.0, "window of the timeline in seconds", metavar="S")
    hop: float = option(1.0, "step between windows in seconds", metavar="S")

    def __post_init__(self) -> None:
        verify(self)
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
