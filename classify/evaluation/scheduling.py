"""``--scheduler`` of the commands that fit heads: distribute work over Dask workers.

joblib's Dask backend does the work. What all items have in common travels once (scattered), and a
`Cache` travels as its path: workers read the features themselves.

What is spread is what a command does one after the other: the folds of heads that are fitted fold
by fold, the settings of ``--tune``, the heads of ``compare``, the targets of ``probe``. Heads that
fit all folds at once (linear and neural ones) are one task. Without a scheduler nothing changes:
folds go to processes of this machine where that pays, and the rest is done here.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from data import scheduler

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextlib.contextmanager
def scheduled(address: str | None) -> Iterator[None]:
    """Distribute the calls of `spread` inside of the context over a scheduler's workers; None: run
    them here.

    Raises:
        SchedulerError: it does not answer, or has no worker.
    """
    if address is None:
        yield
        return
    from joblib import parallel_config

    with scheduler.connected(address) as client, parallel_config("dask", client=client):
        yield


def client() -> "Client | None":
    """The Dask client in use; None: there is none."""
    from joblib.parallel import get_active_backend

    return getattr(get_active_backend()[0], "client", None)


def spread(
    function: Callable[..., Result], items: Iterable[Item], *shared: Any
) -> Iterator[Result]:
    """``function(*shared, item)`` of every item, in their order.

    The workers of a scheduler do it where there is one; otherwise it is done here, one by one.
    """
    workers = client()
    if workers is None:
        for item in items:
            yield function(*shared, item)
        return
    from joblib import Parallel, delayed

    sent = workers.scatter(list(shared), hash=False) if shared else []
    yield from Parallel(return_as="generator")(delayed(function)(*sent, item) for item in items)
