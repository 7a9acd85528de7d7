"""``--scheduler`` of the commands that fit heads: distribute work over Dask workers.

joblib's Dask backend distributes the tasks. Data that all tasks share is sent once (scattered). A
`Cache` is sent as its path, and workers read the features themselves.

These are distributed: the folds of heads that are fitted fold by fold, the settings of ``--tune``,
the heads of ``compare``, and the targets of ``probe``. Heads that fit all folds at once (linear and
neural heads) are one task. Without a scheduler, folds may run in processes of this machine, and
everything else in this process.
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
        SchedulerError: the scheduler does not answer or has no worker.
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
    """Compute ``function(*shared, item)`` for all items, in order.

    The workers of the scheduler compute them; without a scheduler, this process does.
    """
    workers = client()
    if workers is None:
        for item in items:
            yield function(*shared, item)
        return
    from joblib import Parallel, delayed

    sent = workers.scatter(list(shared), hash=False) if shared else []
    yield from Parallel(return_as="generator")(delayed(function)(*sent, item) for item in items)
