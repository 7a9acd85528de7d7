"""All torture tests at full length, and the table of ``docs/reliability.md``.

    make torture

Leaves with 1 if anything was lost, unreadable or out of bounds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cluster_storm
import crash
import growth
import interrupts
import job_array
import storm
from test_reliability import fuzz_audio, fuzz_caches

MILLION = 1_000_000


def rows(
    kills: int, arrays: int, audio: int, caches: int, streams: int, pack: int
) -> Iterator[tuple[str, str, bool]]:
    """(what, result, whether it is within bounds), as they are found."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = storm.storm(Path(folder), kills)
    yield "extractors killed (`kill -9`), two at a time", f"{outcome.kills}", outcome.kills >= kills
    yield "reads by a poller meanwhile", f"{outcome.reads}", outcome.reads > 0
    yield (
        "acknowledged utterances lost",
        f"{outcome.lost} of {outcome.acknowledged}",
        (outcome.lost == 0 < outcome.acknowledged),
    )
    yield "unreadable files", f"{outcome.unreadable}", outcome.unreadable == 0
    yield "bytes as of an undisturbed run", f"{outcome.identical}", outcome.identical
    yield from _job_arrays(arrays)
    for workers in (2, 4):
        with tempfile.TemporaryDirectory() as folder:
            shaken = cluster_storm.cluster_storm(Path(folder), workers, kills=5, restarts=1)
        yield (
            f"{workers} Dask workers; killed, scheduler restarted",
            (
                f"{shaken.kills}, {shaken.restarts}; {shaken.lost} of {shaken.utterances} lost, "
                f"{'the bytes of one process' if shaken.identical else 'other bytes'}"
            ),
            shaken.fine,
        )
    with tempfile.TemporaryDirectory() as folder:
        states, failures = crash.power_losses(Path(folder))
    yield "states after a power loss, at every call", f"{states}, {len(failures)} bad", not failures
    with tempfile.TemporaryDirectory() as folder:
        points, failures = crash.full_disks(Path(folder))
    yield "full disk, at every call", f"{points}, {len(failures)} bad", not failures
    with tempfile.TemporaryDirectory() as folder:
        count, result = fuzz_audio(Path(folder), audio // 4)
    read = result["outcomes"].get("read", 0)
    yield (
        "mutated recordings",
        (
            f"{count}: {read} read, {count - read} refused; slowest {result['slowest']:.2f} s, "
            f"{result['megabytes']:.0f} MB"
        ),
        result["slowest"] < 5 and result["megabytes"] < 1_000,
    )
    with tempfile.TemporaryDirectory() as folder:
        count, result = fuzz_caches(Path(folder), caches)
    clean = result["outcomes"].get("clean", 0)
    yield "mutated caches", f"{count}: {clean} clean, {count - clean} refused, 0 crashes", True
    with tempfile.TemporaryDirectory() as folder:
        model = interrupts.make_model(Path(folder))
        ends = interrupts.interrupts(model, streams, processes=10, busy=3)
    yield (
        "streams asked (SIGUSR1) and ended (SIGINT) at once, on a busy machine",
        f"{ends.ended}: {ends.hangs} hung, {len(ends.wrong)} ended wrongly",
        ends.fine,
    )
    few, many = (_alone("extract", count)["megabytes"] for count in (1_000, 10_000))
    yield (
        "peak memory of `extract`, 1,000 and 10,000 utterances",
        (f"{few:.0f} and {many:.0f} MB: × {many / few:.2f}"),
        many <= 1.15 * few,
    )
    big = _alone("pack", pack)
    yield (
        f"packing {pack:,} utterances × 13 × 64",
        (
            f"{big['file_megabytes'] / 1e3:.1f} GB in {big['seconds']:.0f} s, "
            f"{big['megabytes']:.0f} MB ({big['before']:.0f} MB before)"
        ),
        big["megabytes"] < 1_000,
    )
    linear = _alone("time")
    exponents = ", ".join(f"{name} {value:.2f}" for name, value in linear["exponents"].items())
    yield (
        "time of 1k, 10k and 100k utterances, exponent",
        exponents,
        all(value < 1.2 for value in linear["exponents"].values()),
    )


def _job_arrays(arrays: int) -> Iterator[tuple[str, str, bool]]:
    for where, more in (("on one machine", ()), ("each on a machine of its own", ["--elsewhere"])):
        with tempfile.TemporaryDirectory() as folder:
            done = job_array.storm(Path(folder), arrays * job_array.KILLS, more=more)
        yield (
            f"job arrays of 4 tasks, {where}",
            f"{done.arrays}, {done.kills} of {done.tasks} tasks killed",
            done.kills > 0,
        )
        yield (
            "utterances missing; caches unsound, not packed, other than of one process",
            f"{done.missing}; {done.unsound}, {done.unpacked}, {int(not done.identical)}",
            done.identical and not (done.missing or done.unsound or done.unpacked),
        )


def _alone(*arguments: object) -> dict:
    """Run growth.py in a process of its own: its peak memory is its own."""
    command = [sys.executable, Path(growth.__file__), *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--arrays", type=int, default=10, help="of each kind, 5 kills in each")
    parser.add_argument("--audio", type=int, default=1_200)
    parser.add_argument("--caches", type=int, default=300)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--pack", type=int, default=MILLION)
    args = parser.parse_args()
    print("| what | result | |\n| --- | --- | --- |", flush=True)
    good = True
    for what, result, fine in rows(**vars(args)):
        print(f"| {what} | {result} | {'✓' if fine else '✗'} |", flush=True)
        good &= fine
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
