"""Dask schedulers and workers as processes that tests can kill."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from data import scheduler

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
QUIET = {  # what a process does while it waits
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
}


class Crew:
    """A scheduler and its workers; those that die are started again, as a cluster would do.

    with Crew(folder, 2) as crew:
        …  # crew.scheduler is what --scheduler takes
    """

    def __init__(
        self, folder: Path, workers: int = 2, arguments: tuple[str, ...] = (), **environment: str
    ) -> None:
        self.file = folder / "scheduler.json"
        self.scheduler = f"file:{self.file}"
        self.log = (folder / "dask.log").open("ab")
        self._scheduler: subprocess.Popen | None = None
        self._workers: dict[int, subprocess.Popen] = {}
        self._count = workers
        self._arguments = arguments
        self._environment = environment
        self._ended = threading.Event()
        self._tending = threading.Thread(target=self._tend)

    def __enter__(self) -> Self:
        self.start_scheduler()
        for number in range(self._count):
            self._workers[number] = self.start_worker(*self._arguments)
        self._tending.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._tending.join()
        for process in [*self._workers.values(), self._scheduler]:
            if process is not None:
                process.kill()
                process.wait()
        self.log.close()

    def start_scheduler(self) -> None:
        """Start one that listens elsewhere and says so in the file."""
        self.file.unlink(missing_ok=True)
        self._scheduler = self._start(
            "scheduler", "--port", "0", "--scheduler-file", self.file, "--no-dashboard",
            "--host", "127.0.0.1",
        )  # fmt: skip
        while not self.file.exists():
            time.sleep(0.05)

    def restart_scheduler(self) -> None:
        """Kill the scheduler and start another; the workers end by themselves."""
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()
        self.start_scheduler()

    def start_worker(
        self, *arguments: object, preexec: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen:
        """One more, which is not started again; it ends with the scheduler."""
        return self._start(
            "worker", "--scheduler-file", self.file, "--nworkers", "1", "--nthreads", "1",
            "--no-nanny", "--no-dashboard", "--memory-limit", "0", "--death-timeout", "60",
            *arguments, preexec=preexec, **environment,
        )  # fmt: skip

    def wait(self, count: int | None = None) -> None:
        """Until there are so many workers; None: as many as were asked for."""
        client = scheduler.connect(self.scheduler)
        while len(scheduler.workers(client)) != (self._count if count is None else count):
            time.sleep(0.1)
        scheduler.close(client)

    def kill_worker(self, number: int) -> None:
        """``kill -9`` one of them."""
        self._workers[number].send_signal(signal.SIGKILL)

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return str(json.loads(self.file.read_bytes())["address"])

    def _start(
        self,
        command: str,
        *arguments: object,
        preexec: Callable[[], None] | None = None,
        **environment: str,
    ) -> subprocess.Popen:
        path = os.pathsep.join([str(ROOT), str(HERE)])
        return subprocess.Popen(
            [sys.executable, "-m", "dask", command, *map(str, arguments)],
            stdout=self.log,
            stderr=self.log,
            preexec_fn=preexec,
            env=os.environ | QUIET | {"PYTHONPATH": path} | self._environment | environment,
            cwd=self.file.parent,
        )

    def _tend(self) -> None:
        while not self._ended.wait(0.1):
            for number, process in self._workers.items():
                if process.poll() is not None and self.file.exists():
                    self._workers[number] = self.start_worker(*self._arguments)
