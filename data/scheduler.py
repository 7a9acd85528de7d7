"""Connect to a Dask scheduler.

``--scheduler`` is ``local`` or ``local:4`` (workers on this machine while the command runs),
``tcp://host:8786``, ``tls://host:8786`` (Dask's configuration names the certificates), or
``file:scheduler.json``, which ``dask scheduler --scheduler-file`` writes.
"""

import contextlib
import json
import logging
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import SchedulerError, UsageError
from data.text import several

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger("wav2emo")

HELP = (
    "compute on the workers of a Dask scheduler: local[:N], tcp://HOST:PORT, tls://HOST:PORT or "
    "file:scheduler.json"
)
ANSWER_SECONDS = 7.0  # within which a scheduler must answer
WORKER_SECONDS = 60.0  # within which a first worker must connect
STALL_SECONDS = 900.0  # without a result, after which busy workers are not used any more
LOCAL = re.compile(r"local(?::([1-9][0-9]*))?")
REMOTE = re.compile(r"(tcp|tls)://\S+:[0-9]+")
FILE = "file:"
# a terminal sends Ctrl-C to local workers too, but the client has to stop them
IGNORE_INTERRUPTS = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def parse(text: str) -> str:
    """Return `text` if it is the address of a scheduler.

    Raises:
        UsageError: `text` is not an address.
    """
    if LOCAL.fullmatch(text) or REMOTE.fullmatch(text) or text.removeprefix(FILE) not in ("", text):
        return text
    raise UsageError(
        f"--scheduler {text}: expected local, local:N, tcp://HOST:PORT, tls://HOST:PORT or "
        "file:scheduler.json"
    )


@contextlib.contextmanager
def connected(
    scheduler: str, seconds: float | None = None, resource: str | None = None
) -> "Iterator[Client]":
    """Connect to a scheduler and wait for a worker; disconnect at the end.

    Args:
        scheduler: address, see the module.
        seconds: how long to wait for the first worker. Default: `WORKER_SECONDS`.
        resource: a resource that the worker has to announce.

    Raises:
        SchedulerError: the scheduler does not answer, or no worker connects within `seconds`.
        UsageError: Dask is not installed.
    """
    client = connect(scheduler)
    try:
        _wait_for_worker(client, WORKER_SECONDS if seconds is None else seconds, resource)
        yield client
    finally:
        close(client)


def connect(scheduler: str) -> "Client":
    """Connect to a scheduler, which may have no workers.

    Raises:
        SchedulerError: the scheduler does not answer.
        UsageError: Dask is not installed.
    """
    import asyncio

    try:
        import dask
        import distributed
    except ImportError:
        raise UsageError("--scheduler needs Dask: pip install 'wav2emo[cluster]'") from None

    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    dask.config.set({"distributed.comm.timeouts.connect": f"{ANSWER_SECONDS}s"})

    if local := LOCAL.fullmatch(scheduler):
        return _start_local(int(local[1]) if local[1] else None)
    address = _from_file(scheduler) if scheduler.startswith(FILE) else scheduler
    _require_certificates(scheduler, address)
    try:
        with ThreadPoolExecutor(1) as thread:  # this thread may run an event loop
            thread.submit(asyncio.run, _require_answer(address)).result()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", distributed.versions.VersionMismatchWarning)
            client = distributed.Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except Exception as error:  # another server at the address causes errors of any type
        log.debug("%s", error, exc_info=True)
        raise SchedulerError(_unreachable(scheduler, address, error)) from None
    _warn_of_versions(caught)
    return client


async def _require_answer(address: str) -> None:
    """Connect and disconnect.

    A `Client` would wait without end for a silent scheduler, and could not be closed after it has
    connected to another kind of server.
    """
    import asyncio

    from distributed import Security
    from distributed.comm.core import connect

    answer = connect(address, **Security().get_connection_args("client"))
    comm = await asyncio.wait_for(answer, ANSWER_SECONDS)
    await comm.close()


def close(client: "Client") -> None:
    """Disconnect from a scheduler; a local one ends with its workers."""
    cluster = client.cluster
    with contextlib.suppress(Exception):  # it may be gone already
        client.close(timeout=2)
    if cluster is not None:
        with contextlib.suppress(Exception):
            cluster.close(timeout=5)


def workers(client: "Client") -> dict[str, dict[str, Any]]:
    """Return the description of each worker: address → name, host, nthreads, resources, ….

    Raises:
        OSError: the scheduler does not answer. (`Client.scheduler_info` would return no worker.)
    """

    async def ask() -> dict[str, Any]:
        identity: dict[str, Any] = await client.scheduler.identity(n_workers=-1)
        return identity

    return dict(client.sync(ask, callback_timeout=ANSWER_SECONDS)["workers"])


def _wait_for_worker(client: "Client", seconds: float, resource: str | None) -> None:
    end, logged = time.monotonic() + seconds, False
    while True:
        present = workers(client)
        if any(resource is None or resource in about["resources"] for about in present.values()):
            return
        if time.monotonic() >= end:
            raise SchedulerError(_without_worker(client, present, resource, seconds))
        if not logged and time.monotonic() > end - seconds + 2:
            log.info("waiting for a worker, at most %.0f s", seconds)
            logged = True
        time.sleep(0.1)


def _warn_of_versions(caught: Sequence[warnings.WarningMessage]) -> None:
    """Log one line for each package whose versions differ."""
    for warning in caught:
        for row in re.findall(r"^\|(.+)\|$", str(warning.message), re.MULTILINE):
            package, here, scheduler, workers = (cell.strip() for cell in row.split("|"))
            if package != "Package":
                log.warning(
                    "%s is %s here, %s at the scheduler, %s at workers; install the same if "
                    "something fails",
                    package, here, scheduler, workers,
                )  # fmt: skip


def _start_local(count: int | None) -> "Client":
    """Start `count` workers, each with its share of the cores. Default: one for each core."""
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=count or CPU_COUNT,
        threads_per_worker=max(1, CPU_COUNT // count) if count else 1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        preload=[IGNORE_INTERRUPTS],
        memory_limit=0,  # Dask would pause a worker near its limit
        silence_logs=logging.CRITICAL,
    )
    return Client(cluster, timeout=ANSWER_SECONDS, set_as_default=False)


def _from_file(scheduler: str) -> str:
    """Read the address from a scheduler file; wait a moment for the scheduler to write it."""
    path = Path(scheduler.removeprefix(FILE))
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return str(json.loads(path.read_bytes())["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if time.monotonic() < end:
                time.sleep(0.2)
                continue
            why = error.strerror if isinstance(error, OSError) else "not a scheduler file"
            raise SchedulerError(
                f"--scheduler {scheduler}: {why}; start 'dask scheduler --scheduler-file {path}', "
                "and give the path of the file on this machine"
            ) from None


def _require_certificates(scheduler: str, address: str) -> None:
    if not address.startswith("tls://"):
        return
    from distributed import Security

    try:
        if Security().get_connection_args("client")["ssl_context"] is not None:
            return
        why = "no certificates are configured"
    except OSError as error:  # includes ssl.SSLError
        why = f"{error.strerror or error} in the certificates"
    raise SchedulerError(
        f"--scheduler {scheduler}: {why}; set ca-file, client.cert and client.key below "
        "distributed.comm.tls in Dask's configuration (docs/dask.md)"
    )


def _unreachable(scheduler: str, address: str, error: Exception) -> str:
    at = f" ({address})" if address not in scheduler else ""
    if isinstance(error, ImportError):
        return f"--scheduler {scheduler}{at}: its packages have other versions: {error}"
    if not isinstance(error, (OSError, ValueError)):
        return f"--scheduler {scheduler}{at}: the server there is not a Dask scheduler"
    return (
        f"--scheduler {scheduler}{at}: no scheduler answered within {ANSWER_SECONDS:.0f} s; check "
        "that 'dask scheduler' runs there and that this machine may connect to it"
    )


def _without_worker(
    client: "Client", present: Mapping[str, Any], resource: str | None, seconds: float
) -> str:
    address = client.scheduler.address
    start = f"start one with 'dask worker {address}"
    if not present:
        return f"{address} has no worker, and none connected within {seconds:.0f} s; {start}'"
    announced = sorted({name for about in present.values() for name in about["resources"]})
    return (
        f"{several(len(present), 'worker')} at {address}, but none announced the resource "
        f"{resource} within {seconds:.0f} s (announced: {', '.join(announced) or 'none'}); {start} "
        f"--resources {resource}=1'"
    )
