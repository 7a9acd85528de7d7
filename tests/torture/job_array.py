"""Job arrays whose tasks are killed at random instants and started again, as a queue does.

    python tests/torture/job_array.py --kills 100

prints one line of JSON; `test_job_array.py` runs a small one on every change.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from storm import make_corpus, without_provenance

from data import Cache
from data.cache.file import files_in, parts_folder
from data.cache.verify import problems

TASK = Path(__file__).with_name("task.py")
KILLS = 5  # of one array


@dataclass
class Outcome:
    """What a series of job arrays did and left."""

    arrays: int = 0
    tasks: int = 0
    kills: int = 0
    missing: int = 0  # utterances
    unsound: int = 0  # caches
    unpacked: int = 0  # caches that no task packed
    identical: bool = True  # bytes, provenance aside, to those of a single process


def start(
    corpus: Path,
    cache: Path,
    part: str,
    *more: object,
    before: Callable[[], None] | None = None,
) -> subprocess.Popen:
    """Start one task; `before` is called in its process."""
    command = [sys.executable, TASK, corpus, "-o", cache, "--part", part, *map(str, more)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before
    )


def run_array(corpus: Path, cache: Path, tasks: int, *more: object) -> list[str]:
    """Run all tasks at once to their end; return what they printed."""
    running = [start(corpus, cache, f"{k}/{tasks}", *more) for k in range(1, tasks + 1)]
    printed = []
    for process in running:
        out, error = process.communicate(timeout=240)
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}: {error}")
        printed.append(out)
    return printed


def storm(
    folder: Path, kills: int, tasks: int = 4, count: int = 200, seed: int = 0,
    more: Sequence[object] = (),
) -> Outcome:  # fmt: skip
    """Run arrays of `count` utterances, `KILLS` kills in each, until `kills` tasks died."""
    outcome, chance = Outcome(), random.Random(seed)
    corpus, cache = folder / "corpus", folder / "c.h5"
    make_corpus(corpus, count)
    run_array(corpus, folder / "single.h5", 1)
    expected = without_provenance(folder / "single.h5")
    while outcome.kills < kills:
        cache.unlink(missing_ok=True)
        _one_array(corpus, cache, tasks, chance, outcome, more)
        outcome.arrays += 1
        if not cache.exists() or files_in(parts_folder(cache)):
            outcome.unpacked += 1
            continue
        with Cache(cache) as packed:
            outcome.missing += count - len(packed)
            outcome.unsound += any(problems(packed))
        outcome.identical &= without_provenance(cache) == expected
    return outcome


def _one_array(
    corpus: Path, cache: Path, tasks: int, chance: random.Random, outcome: Outcome,
    more: Sequence[object],
) -> None:  # fmt: skip
    """All parts at once; a killed task goes back to the queue, until each has ended."""
    names = [f"{k}/{tasks}" for k in range(1, tasks + 1)]
    running = {name: start(corpus, cache, name, "--slow", 0.05, *more) for name in names}
    outcome.tasks += tasks
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.0, 1.2))
        alive = [name for name, process in running.items() if process.poll() is None]
        if not alive:
            break
        victim = chance.choice(alive)
        running[victim].kill()
        running[victim].communicate()
        running[victim] = start(corpus, cache, victim, "--slow", 0.05, *more)
        outcome.kills += 1
        outcome.tasks += 1
    for process in running.values():
        _, error = process.communicate(timeout=240)
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}: {error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elsewhere", action="store_true", help="each task on its own machine")
    args = parser.parse_args()
    more = ["--elsewhere"] if args.elsewhere else []
    with tempfile.TemporaryDirectory() as folder:
        outcome = storm(Path(folder), args.kills, args.tasks, seed=args.seed, more=more)
    print(json.dumps(asdict(outcome)))
