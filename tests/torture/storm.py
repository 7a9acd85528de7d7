"""Extractors that are killed at random instants, two at a time, with a reader looking on.

    python tests/torture/storm.py --kills 200

prints one line of JSON; `test_storm.py` runs a small storm on every change.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from data import Cache
from data.cache.file import CacheFile, files_in, parts_folder
from data.errors import CacheError

EXTRACTOR = Path(__file__).with_name("standin.py")


@dataclass
class Outcome:
    """What a storm did and left."""

    kills: int = 0
    runs: int = 0
    reads: int = 0  # successful reads by the poller
    acknowledged: int = 0  # utterances seen published at some time
    lost: int = 0  # of them, missing in the end
    unreadable: int = 0  # published files that could not be read
    identical: bool = False  # the packed file's bytes, provenance aside, to an undisturbed run's


def make_corpus(root: Path, count: int) -> None:
    """`count` recordings of 0.1 to 0.3 s in two folders of labels."""
    generator = np.random.default_rng(0)
    for number in range(count):
        file = root / ("anger", "sadness")[number % 2] / f"{number:05}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = generator.uniform(-0.5, 0.5, 1_600 + 1_600 * (number % 3))
        soundfile.write(file, samples.astype(np.float32), 16_000)


def storm(folder: Path, kills: int, count: int = 300, seed: int = 0) -> Outcome:
    """Kill extractors of `count` utterances at random instants until `kills` died.

    As soon as a cache is complete it is checked, removed, and made again.
    """
    outcome = Outcome()
    corpus, cache = folder / "corpus", folder / "c.h5"
    make_corpus(corpus, count)
    _run(corpus, folder / "undisturbed.h5", "--slow", "0")
    expected = without_provenance(folder / "undisturbed.h5")
    chance = random.Random(seed)
    seen: set[str] = set()
    outcome.identical = True
    while outcome.kills < kills:
        running = [_start(corpus, cache) for _ in range(2)]
        outcome.runs += 2
        for process in running:
            end = time.monotonic() + chance.uniform(0.0, 3.0)
            while process.poll() is None and time.monotonic() < end:
                _look(cache, seen, outcome)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                outcome.kills += 1
            process.wait()
        _look(cache, seen, outcome)
        if cache.exists() and not parts_folder(cache).exists():
            _check(cache, expected, seen, outcome)
            cache.unlink()
            seen.clear()
    _run(corpus, cache)
    _check(cache, expected, seen, outcome)
    return outcome


def _start(corpus: Path, cache: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, EXTRACTOR, corpus, "-o", cache, "--slow", "0.02", "--shard", "20"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _run(corpus: Path, cache: Path, *more: str) -> None:
    subprocess.run([sys.executable, EXTRACTOR, corpus, "-o", cache, *more], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)  # fmt: skip


def _look(cache: Path, seen: set[str], outcome: Outcome) -> None:
    """Read whatever is published now. What is once seen must never be lost."""
    files = [cache, *files_in(parts_folder(cache))]
    for path in files:
        try:
            file = CacheFile(path)
            ids = file.ids.tolist()
            file.read_all("layers/mean")
        except CacheError:
            if path.exists() and not _gone_or_replaced(path):
                outcome.unreadable += 1
            continue
        outcome.reads += 1
        seen.update(name.decode() for name in ids)


def _gone_or_replaced(path: Path) -> bool:
    """Whether a file that could not be read just now can be read, or is not there any more."""
    try:
        CacheFile(path)
    except CacheError:
        return not path.exists()
    return True


def _check(cache: Path, expected: bytes, seen: set[str], outcome: Outcome) -> None:
    with Cache(cache) as packed:
        held = set(packed.utterances["id"])
    outcome.acknowledged += len(seen)
    outcome.lost += len(seen - held)
    outcome.identical &= without_provenance(cache) == expected


def without_provenance(path: Path) -> bytes:
    """The bytes of a cache file with the time of its making blanked."""
    content = path.read_bytes()
    begin = content.index(b'{"created"')
    end = content.index(b"}", begin) + 1
    return content[:begin] + b" " * (end - begin) + content[end:]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asdict(storm(Path(folder), args.kills, seed=args.seed))))
