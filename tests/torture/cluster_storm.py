"""Dask workers that are killed at random instants, and a scheduler that is restarted, during one
extraction. The loss of the scheduler ends the run, and the same call goes on.

    python tests/torture/cluster_storm.py --kills 5

prints one line of JSON; `test_dask.py` runs a small storm on every change.
"""

import argparse
import contextlib
import json
import random
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import storm
from standin import Source, StandIn
from workers import Crew

from data import Cache, corpora
from data.errors import SchedulerError
from extract import pipeline
from extract.commands.verify import main as verify
from extract.parallel import dask
from extract.parallel.workers import Cluster


@dataclass
class Outcome:
    """What a storm did and left."""

    workers: int
    utterances: int = 0
    kills: int = 0
    restarts: int = 0  # of the scheduler
    runs: int = 0  # until the cache was packed
    lost: int = 0  # utterances that are not in the cache
    refused: int = 0
    verified: bool = False
    identical: bool = False  # the cache's bytes, provenance aside, to those of one process
    seconds: float = 0.0

    @property
    def fine(self) -> bool:
        """Whether nothing is lost, and nothing else."""
        return (
            self.lost == self.refused == 0
            and self.runs <= 1 + self.restarts
            and self.verified
            and self.identical
        )


def cluster_storm(
    folder: Path, workers: int, kills: int, restarts: int, count: int = 1_000, slow: float = 0.3
) -> Outcome:
    """Extract `count` utterances while workers and scheduler die; an embedding of some two seconds
    of audio takes `slow` seconds."""
    outcome = Outcome(workers, count)
    storm.make_corpus(folder / "corpus", count)
    utterances = list(corpora.read(folder / "corpus").utterances)
    pipeline.extract(utterances, StandIn(), folder / "alone.h5")
    settings = pipeline.Settings(batch_seconds=2.0)
    with Crew(folder, workers) as crew:
        over = threading.Event()
        storming = threading.Thread(target=_storm, args=(crew, kills, restarts, over, outcome))
        storming.start()
        began = time.monotonic()
        try:
            summary = None
            while summary is None:
                outcome.runs += 1
                with contextlib.suppress(SchedulerError):
                    _, summary = dask.extract(
                        utterances, Source(slow=slow), folder / "c.h5", settings,
                        Cluster(crew.scheduler, timeout=60),
                    )  # fmt: skip
        finally:
            outcome.seconds = time.monotonic() - began
            over.set()
            storming.join()
    outcome.refused = len(summary.refused)
    with Cache(folder / "c.h5") as cache:
        outcome.lost = len({u.id for u in utterances} - set(cache.utterances["id"]))
    outcome.verified = verify([str(folder / "c.h5"), "-q"]) == 0
    alone, together = (storm.without_provenance(folder / f"{name}.h5") for name in ("alone", "c"))
    outcome.identical = alone == together
    return outcome


def _storm(crew: Crew, kills: int, restarts: int, over: threading.Event, outcome: Outcome) -> None:
    chance = random.Random(0)
    deeds = ["kill"] * kills + ["restart"] * restarts
    chance.shuffle(deeds)
    parts = crew.file.parent / "c.h5.parts"
    while not list(parts.glob("*.h5")) and not over.wait(0.05):
        pass  # until the first shard is published: they are at work
    for deed in deeds:
        if over.wait(chance.uniform(0.3, 1.5)):
            return
        if deed == "kill":
            crew.kill_worker(chance.randrange(outcome.workers))
            outcome.kills += 1
        else:
            crew.restart_scheduler()
            outcome.restarts += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--slow", type=float, default=0.3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = cluster_storm(
            Path(folder), args.workers, args.kills, args.restarts, args.count, args.slow
        )
    print(json.dumps(asdict(outcome)))
