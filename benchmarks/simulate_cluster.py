"""Load of a large cluster: measurements on one machine, and an estimate.

    python benchmarks/simulate_cluster.py                        a million utterances, some minutes
    python benchmarks/simulate_cluster.py --utterances 10000     the same, smaller

Run, with a stand-in for the encoder: cutting a list into parts, scheduling tasks that do nothing,
publishing shards, looking up what is known, packing. Each runs in a process of its own and prints
the peak of its memory. The plan takes what was measured, and `ASSUMED`, to `--hours` of speech on
`--gpus`. Prints three tables; ``--json FILE`` writes the same numbers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "torture"))

import growth
from standin import StandIn, peak_megabytes

from data import corpora, listing
from data.cache.file import files_in
from data.cache.shards import Shards
from data.utterance import Utterance
from extract.parallel.shards import cut, plan
from extract.shard_writer import SHARD_BYTES, SHARD_SECONDS, SHARD_UTTERANCES

LAYERS, DIM, POOLINGS = 13, 768, 2  # of wav2vec2-base, mean and deviation
BASELINES = 162  # numbers
PER_CACHE = 1_000_000  # utterances; more are cut into several lists, each with a cache of its own

# name → value, unit, why
ASSUMED = {
    "speed": (250.0, "× real time", "of one GPU: 1,000 hours in an evening of four; --speed"),
    "mean_seconds": (10.0, "s", "of an utterance; --mean-seconds"),
    "audio_bytes": (16_000.0, "B/s", "16 kHz FLAC, half of 16-bit PCM"),
    "decoding": (1_500.0, "× real time", "of one core that decodes, resamples and hashes"),
    "gpu_price": (2.5, "$/h", "rented; --price"),
    "storage_price": (20.0, "$/TB/month", "object storage or a parallel file system"),
    "chunk_seconds": (20.0, "s", "of work in a Dask task, as in a shard"),
}


# --- what is run


def planning(count: int, parts: int) -> dict[str, float]:
    """Cut a list of `count` utterances, as every task does for itself."""
    lengths = np.random.default_rng(0).lognormal(2.1, 0.6, count)
    utterances = [
        Utterance(f"speech/{n:09}", "speech", Path("/data/speech"), f"{n // 1000:06}/{n:09}.flac",
                  f"s{n % 5000}")
        for n in range(count)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.jsonl"
        listing.write(path, zip(utterances, lengths.tolist(), strict=True))
        size = path.stat().st_size
        del utterances
        began = time.monotonic()
        (corpus,) = corpora.read_all([path])
        read = time.monotonic()
    shares = cut(corpus.utterances, corpus.seconds, parts)
    plan(corpus.utterances, corpus.seconds)
    done = time.monotonic()
    loads = [sum(corpus.seconds[u.id] for u in share) for share in shares]
    return {
        "list_bytes": size / count,
        "read_seconds": read - began,
        "cut_seconds": done - read,
        "imbalance": max(loads) * parts / sum(loads) - 1,
    }


def scheduling(count: int, parts: int) -> dict[str, float]:
    """Tasks a second through Dask, each naming 500 utterances and doing nothing with them."""
    from distributed import Client, LocalCluster

    tasks = max(200, min(20_000, count // 50))
    names = [f"speech/{n:09}" for n in range(500)]
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as client:
        client.gather(client.map(_nothing, range(100), names=names, pure=False))
        began = time.monotonic()
        for start in range(0, tasks, 2_000):
            numbers = range(start, min(start + 2_000, tasks))
            client.gather([client.submit(_nothing, n, names, pure=False) for n in numbers])
        return {"tasks": tasks, "tasks_per_second": tasks / (time.monotonic() - began)}


def _nothing(number: int, names: list[str]) -> int:
    return len(names)


def wide(count: int, parts: int) -> dict[str, float]:
    """Publish, look up and pack shards as wide as wav2vec2-base's: what a byte costs."""
    rows = max(2, min(20, count // SHARD_UTTERANCES)) * SHARD_UTTERANCES
    return _shards(rows, LAYERS, DIM * POOLINGS)


def thin(count: int, parts: int) -> dict[str, float]:
    """The same of all utterances, but of eight numbers each, shuffled: what a row costs."""
    return _shards(count, 1, 8)


def _shards(rows: int, layers: int, dim: int) -> dict[str, float]:
    recipe = StandIn(layers=layers, dim=dim, baselines={}).recipe
    took = {}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        parts = Shards(Path(folder) / "c.h5")
        parts.claim(recipe)
        steps: dict[str, Callable[[], object]] = {
            "publish_seconds": lambda: growth.publish(parts, recipe, rows, layers, dim),
            "known_seconds": parts.known,
            "pack_seconds": parts.pack,
        }
        for name, step in steps.items():
            shards = len(files_in(parts.folder))
            began = time.monotonic()
            step()
            took[name] = time.monotonic() - began
        size = parts.cache.stat().st_size
        parts.clean()
    numbers = rows * layers * dim * 4
    return {"rows": rows, "shards": shards, "bytes": size,
            "column_bytes": (size - numbers) / rows, **took}  # fmt: skip


STAGES = {"planning": planning, "scheduling": scheduling, "wide": wide, "thin": thin}


def measured(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Every stage, in a process of its own."""
    found = {}
    for name in STAGES:
        command = [sys.executable, __file__, "--stage", name,
                   "--utterances", str(args.utterances), "--gpus", str(args.gpus)]  # fmt: skip
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[name] = json.loads(out.splitlines()[-1])
        print(f"{name} done", file=sys.stderr)
    return found


# --- output

Line = tuple[str, str]


def measured_table(m: dict[str, dict[str, float]], count: int, parts: int) -> Iterator[Line]:
    listed, wide_, thin_ = m["planning"], m["wide"], m["thin"]
    yield f"list of {count:,} utterances", f"{listed['list_bytes']:.0f} bytes each"
    yield "… read", f"{listed['read_seconds']:.1f} s"
    yield f"… cut into {parts} parts", f"{listed['cut_seconds']:.1f} s"
    yield "… peak memory", f"{listed['megabytes']:.0f} MB"
    yield "… fullest part above the mean", f"{listed['imbalance']:.4%}"
    schedule = m["scheduling"]
    yield "Dask tasks that do nothing, 2 workers", f"{schedule['tasks_per_second']:.0f} a second"
    for name, stage in (("full width", wide_), ("8 numbers", thin_)):
        what = f"{stage['rows']:,.0f} utterances of {name}, {stage['shards']:,.0f} shards"
        for step in ("publish", "known", "pack"):
            rate = stage["bytes"] / stage[f"{step}_seconds"] / 1e6
            each = stage[f"{step}_seconds"] / stage["rows"] * 1e6
            words = f"{each:.0f} µs an utterance"
            yield f"{what}: {step}", words + (f", {rate:.0f} MB/s" if stage is wide_ else "")
        yield "… peak memory", f"{stage['megabytes']:.0f} MB"


def plan_table(
    m: dict[str, dict[str, float]], a: dict[str, float], hours: float, gpus: int
) -> Iterator[Line]:
    utterances = hours * 3600 / a["mean_seconds"]
    row = (LAYERS * DIM * POOLINGS + BASELINES) * 4 + m["thin"]["column_bytes"]
    bytes_in, bytes_out = hours * 3600 * a["audio_bytes"], utterances * row
    wall = hours / gpus / a["speed"]  # hours
    yield "utterances", f"{utterances:,.0f}"
    yield "computing", f"{hours / a['speed']:,.0f} GPU-hours: {wall:.0f} h on {gpus} GPUs"
    yield "read", f"{bytes_in / 1e12:.0f} TB, {bytes_in / wall / 3600 / 1e6:.0f} MB/s of all tasks"
    yield "cores that decode", f"{a['speed'] / a['decoding']:.2f} a GPU"
    yield (
        "written",
        f"{bytes_out / 1e12:.1f} TB ({row / 1e3:.0f} kB an utterance), "
        f"{bytes_out / wall / 3600 / 1e6:.0f} MB/s",
    )
    per_shard = min(
        SHARD_UTTERANCES, SHARD_BYTES / row, SHARD_SECONDS * a["speed"] / a["mean_seconds"]
    )
    caches = utterances / PER_CACHE
    yield (
        "shards",
        f"{utterances / per_shard:,.0f} of {per_shard:.0f} utterances, "
        f"{per_shard * row / 1e6:.0f} MB; {PER_CACHE / per_shard:,.0f} at a time",
    )
    yield "lists and caches", f"{caches:,.0f} of {PER_CACHE:,} utterances, {row / 1e3:.0f} GB each"
    index = m["thin"]["column_bytes"]
    lists = m["planning"]["list_bytes"] * utterances
    yield (
        "index (ids, labels, checksums)",
        f"{index * utterances / 1e9:.0f} GB, {index * PER_CACHE / 1e6:.0f} MB a cache; "
        f"lists {lists / 1e9:.0f} GB",
    )
    pack = PER_CACHE * _cost(m, "pack_seconds", row) / 3600
    yield (
        "packing",
        f"{pack * 60:.0f} min a cache, {pack * caches:.0f} h in all: "
        f"{pack * caches / gpus:.1f} h by {gpus} nodes at once",
    )
    yield "resuming", f"{PER_CACHE * _cost(m, 'known_seconds', row) / 60:.0f} min for a full cache"
    load, sustained = gpus / a["chunk_seconds"], m["scheduling"]["tasks_per_second"]
    yield (
        "scheduler",
        f"{load:.1f} tasks a second of {sustained:.0f}: room for "
        f"{sustained * a['chunk_seconds']:,.0f} GPUs",
    )
    yield "cost of computing", f"${hours / a['speed'] * a['gpu_price']:,.0f}"
    yield (
        "cost of keeping audio and caches",
        f"${(bytes_in + bytes_out) / 1e12 * a['storage_price']:,.0f} a month",
    )


def _cost(m: dict[str, dict[str, float]], step: str, row: float) -> float:
    """Seconds a row of `row` bytes: what a row costs, and what its bytes cost."""
    thin_, wide_ = m["thin"], m["wide"]
    each = thin_[step] / thin_["rows"]
    per_byte = max(0.0, wide_[step] - each * wide_["rows"]) / wide_["bytes"]
    return each + per_byte * row


def print_table(title: str, lines: Iterator[Line]) -> list[Line]:
    found = list(lines)
    print(f"| {title} | |\n| --- | --- |")
    for what, value in found:
        print(f"| {what} | {value} |")
    print(flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=1_000_000)
    parser.add_argument("--hours", type=float, default=1e6)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--speed", type=float, default=ASSUMED["speed"][0])
    parser.add_argument("--mean-seconds", type=float, default=ASSUMED["mean_seconds"][0])
    parser.add_argument("--price", type=float, default=ASSUMED["gpu_price"][0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        result = STAGES[args.stage](args.utterances, args.gpus)
        print(json.dumps(result | {"megabytes": peak_megabytes()}))
        return
    own = {"speed": args.speed, "mean_seconds": args.mean_seconds, "gpu_price": args.price}
    assumed = {name: value for name, (value, *_) in ASSUMED.items()} | own
    found = measured(args)
    tables = {
        "measured": print_table(
            "measured here", measured_table(found, args.utterances, args.gpus)
        ),
        "assumed": print_table(
            "assumed",
            ((name.replace("_", " "), f"{assumed[name]:g} {unit}: {why}")
             for name, (_, unit, why) in ASSUMED.items()),
        ),
        "plan": print_table(
            f"{args.hours:,.0f} hours on {args.gpus} GPUs",
            plan_table(found, assumed, args.hours, args.gpus),
        ),
    }  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(tables | {"numbers": found}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
