"""Overhead of Dask: workers against independent processes, and of a scheduler that is idle.

    python benchmarks/bench_cluster.py CORPUS [--model untrained:tiny] [--repeat 4] [--rounds 3]

Throughput is of the work alone, from encoders that are loaded to a cache that is packed: two
processes that extract half of the recordings each, on half of the cores each, against two Dask
workers that share them. What an idle scheduler adds is of a whole run of a few recordings, loading
the encoder included: by this process, and by one worker that is there already.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "torture"))

from workers import Crew

from data import corpora, scheduler
from data.utterance import Utterance
from extract import pipeline
from extract.engines import open_engine
from extract.parallel import dask
from extract.parallel.tasks import Job
from extract.parallel.workers import Cluster, Workers
from extract.recipe import Request

PROCESSES = 2
GOAL, ADDED = 0.85, 2.0
FEW = 8  # recordings of a run in which the scheduler is nearly all
ONE_THREAD = pipeline.Settings(threads=1)  # that decodes


def utterances(corpus: Path, repeat: int) -> list[Utterance]:
    """Those of a corpus, several times over."""
    found = corpora.read(corpus).utterances
    return [replace(u, id=f"{u.id}#{n}") for n in range(repeat) for u in found]


def share(corpus: str, model: str, repeat: int, number: int, out: str) -> None:
    """One of the independent processes: load, wait for the word, extract, tell seconds."""
    engine = open_engine(model, Request())
    mine = utterances(Path(corpus), repeat)[number::PROCESSES]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    summary = pipeline.extract(mine, engine, Path(out), ONE_THREAD)
    print(json.dumps([began, time.time(), summary.seconds]), flush=True)


def independent(args: argparse.Namespace, folder: Path) -> float:
    """Seconds of audio a second, of processes that know nothing of one another."""
    running = [
        subprocess.Popen(
            [sys.executable, __file__, str(args.corpus), "--model", args.model,
             "--repeat", str(args.repeat), "--share", str(number), str(folder / f"{number}.h5")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads())},
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    reports = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    begins, ends, audio = zip(*reports, strict=True)
    return float(sum(audio) / (max(ends) - min(begins)))


def threads() -> int:
    """Of one of the processes."""
    return max(1, (os.cpu_count() or 1) // PROCESSES)


def on_workers(args: argparse.Namespace, crew: Crew, out: Path) -> float:
    """Seconds of audio a second, of workers; as `dask.extract`, but for the clock."""
    job = Job("bench", partial(open_engine, args.model, Request(), "auto"), out, ONE_THREAD)
    with scheduler.connected(crew.scheduler) as client:
        workers = Workers(client, job, Cluster(crew.scheduler))
        try:
            encoder = workers.agree()
            listed = utterances(args.corpus, args.repeat)
            began = time.monotonic()
            summary = dask.embed(listed, encoder, out, ONE_THREAD, workers)
            seconds = time.monotonic() - began
        finally:
            workers.end()
    return summary.seconds / seconds


def warm(args: argparse.Namespace, crew: Crew, folder: Path) -> None:
    """Let the workers import what they need."""
    few, source = (
        utterances(args.corpus, 1)[:FEW],
        partial(open_engine, args.model, Request(), "auto"),
    )
    out = folder / f"warm{time.time_ns()}.h5"
    dask.extract(few, source, out, ONE_THREAD, Cluster(crew.scheduler))


def added(args: argparse.Namespace, crew: Crew, folder: Path) -> float:
    """Seconds that a run takes longer on a worker than in this process."""
    few, source = (
        utterances(args.corpus, 1)[:FEW],
        partial(open_engine, args.model, Request(), "auto"),
    )
    began = time.monotonic()
    pipeline.extract(few, source(None), folder / "here.h5", ONE_THREAD)
    here = time.monotonic() - began
    began = time.monotonic()
    on = Cluster(crew.scheduler)
    dask.extract(few, source, folder / "there.h5", ONE_THREAD, on)
    return time.monotonic() - began - here


def main() -> int:
    """Print the table, then one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default="untrained")
    parser.add_argument("--repeat", type=int, default=1, help="every recording so many times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", nargs=2, metavar=("NUMBER", "CACHE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.share:
        number, out = args.share
        share(str(args.corpus), args.model, args.repeat, int(number), out)
        return 0
    args.corpus = args.corpus.absolute()
    found: dict[str, list[float]] = {"independent": [], "workers": [], "ratio": [], "added": []}
    for number in range(args.rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            alone = independent(args, folder)
            with Crew(folder, PROCESSES, ("--nthreads", str(threads()))) as crew:
                crew.wait()
                warm(args, crew, folder)
                together = on_workers(args, crew, folder / "c.h5")
            with Crew(folder, 1, ("--nthreads", str(os.cpu_count()))) as crew:
                crew.wait()
                warm(args, crew, folder)
                more = added(args, crew, folder)
        if number:  # the first pays for compiled graphs and files that are not in memory
            for key, value in zip(found, (alone, together, together / alone, more), strict=True):
                found[key].append(value)
    middle = {key: statistics.median(values) for key, values in found.items()}
    print("| | median of the rounds | goal |\n| --- | --- | --- |")
    print(f"| two independent processes | {middle['independent']:.1f} × real time | |")
    print(f"| two Dask workers | {middle['workers']:.1f} × real time | |")
    print(f"| ratio | {middle['ratio']:.2f} | ≥ {GOAL} |")
    print(f"| an idle scheduler adds | {middle['added']:.2f} s | < {ADDED:.0f} s |")
    print(json.dumps({"threads": threads(), "rounds": found, "median": middle}))
    return 0 if middle["ratio"] >= GOAL and middle["added"] < ADDED else 1


if __name__ == "__main__":
    sys.exit(main())
