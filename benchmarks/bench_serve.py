"""Requests to a server from several clients at a time, compared with extraction of the same files.

    python benchmarks/bench_serve.py MODEL RECORDINGS [--clients 1 8 40] [--seconds 10] [--rounds 2]

Starts ``python -m classify serve MODEL`` and sends WAV files of the folder RECORDINGS by
``POST /predict``. Each client is a thread with a connection of its own, which sends the next
recording when the last one is answered, and `RETRY` seconds after a refusal. Another process embeds
the same files with the model's recipe, from files on disk to embeddings, as `extract` does. The two
work in turns, so that the load of the machine meets both.

answers/s   answered requests a second; of all rounds the best
÷ extract   seconds of audio answered a second, divided by those embedded a second
p50, p95    seconds from a request to its answer
refused     requests with status 503, and the 95th percentile of their seconds
MB          memory of the server before and after, over all rounds
"""

import argparse
import http.client
import itertools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile

from classify.models.trained import TrainedHead
from data.utterance import Utterance

RETRY = 0.2  # seconds
OK, BUSY = 200, 503


@dataclass(frozen=True)
class Recording:
    """One that is sent."""

    path: Path
    content: bytes
    seconds: float


@dataclass
class Round:
    """What some clients did at the same time."""

    wall: float = 0.0  # seconds
    audio: float = 0.0  # seconds that were answered
    answered: list[float] = field(default_factory=list)  # seconds of each request
    refused: list[float] = field(default_factory=list)


def work(model: Path, paths: list[Path], pipe: Connection) -> None:
    """A process: embed all files whenever it is asked, and return the seconds it took."""
    from extract.embedder import Embedder

    trained = TrainedHead.load(model)
    embedder = Embedder.from_recipe(trained.recipe, model=trained.card["encoder_location"])
    utterances = [Utterance(str(path), "", path.parent, path.name) for path in paths]
    list(embedder(utterances[:2]))
    pipe.send(embedder.engine.recipe["precision"])
    for _ in iter(pipe.recv, None):
        began = time.perf_counter()
        list(embedder(utterances))
        pipe.send(time.perf_counter() - began)


@contextmanager
def server(model: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of a server that is running."""
    command = [sys.executable, "-m", "classify", "serve", str(model), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.match(r"http://(\S+:\d+)", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        yield found[1], process.pid
    finally:
        process.terminate()
        process.wait()


def send(address: str, recordings: list[Recording], clients: int, seconds: float) -> Round:
    """Send recordings in turn from `clients` threads for some seconds."""
    done, following, lock = Round(), itertools.cycle(recordings), threading.Lock()
    start = time.perf_counter()

    def client() -> None:
        connection = http.client.HTTPConnection(address, timeout=600)
        while time.perf_counter() - start < seconds:
            with lock:
                recording = next(following)
            began = time.perf_counter()
            connection.request("POST", "/predict", recording.content)
            response = connection.getresponse()
            text = response.read()
            taken = time.perf_counter() - began
            if response.status not in (OK, BUSY):
                raise SystemExit(f"{recording.path}: status {response.status}: {text.decode()}")
            with lock:
                if response.status == OK:
                    done.answered.append(taken)
                    done.audio += recording.seconds
                    done.wall = time.perf_counter() - start
                else:
                    done.refused.append(taken)
            if response.status == BUSY:
                time.sleep(RETRY)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def resident(process: int) -> float:
    """MB of a process in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def high(seconds: list[float]) -> float | None:
    """The 95th percentile."""
    return float(np.quantile(seconds, 0.95)) if seconds else None


def measure(arguments: argparse.Namespace, recordings: list[Recording], pipe: Connection) -> dict:
    """The numbers of the table."""
    embedding: list[float] = []
    rounds: dict[int, list[Round]] = {clients: [] for clients in arguments.clients}
    memory: dict[int, list[float]] = {clients: [] for clients in arguments.clients}
    with server(arguments.model) as (address, process):
        send(address, recordings, max(arguments.clients), 1.0)
        for _ in range(arguments.rounds):
            pipe.send("embed")
            embedding.append(pipe.recv())
            for clients in arguments.clients:
                memory[clients].append(resident(process))
                rounds[clients].append(send(address, recordings, clients, arguments.seconds))
                memory[clients].append(resident(process))
    extracted = sum(one.seconds for one in recordings) / min(embedding)
    rows = []
    for clients, found in rounds.items():
        best = max(found, key=lambda one: one.audio / one.wall)
        refused = [taken for one in found for taken in one.refused]
        rows.append({
            "clients": clients,
            "answers_a_second": len(best.answered) / best.wall,
            "of_extract": best.audio / best.wall / extracted,
            "p50": float(np.median(best.answered)),
            "p95": high(best.answered),
            "refused": len(refused),
            "refused_p95": high(refused),
            "megabytes_before": memory[clients][0],
            "megabytes_after": memory[clients][-1],
        })  # fmt: skip
    return {
        "recordings": len(recordings),
        "recordings_a_second": len(recordings) / min(embedding),
        "times_real_time": extracted,
        "rows": rows,
    }


def chosen(root: Path, count: int) -> list[Recording]:
    """`count` WAV files spread over a folder, in the order of their names."""
    paths = sorted(root.rglob("*.wav"))
    if not paths:
        raise SystemExit(f"{root}: no .wav files")
    return [
        Recording(path, path.read_bytes(), soundfile.info(path).duration)
        for path in paths[:: max(1, len(paths) // count)][:count]
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder from 'classify train'")
    parser.add_argument("recordings", type=Path, help="folder with .wav files")
    parser.add_argument("--files", type=int, default=40, help="of the folder (default: 40)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 40])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    recordings = chosen(arguments.recordings, arguments.files)
    context = multiprocessing.get_context("spawn")
    pipe, there = context.Pipe()
    paths = [one.path for one in recordings]
    context.Process(target=work, args=(arguments.model, paths, there), daemon=True).start()
    precision = pipe.recv()
    found = measure(arguments, recordings, pipe)
    pipe.send(None)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    lengths = [one.seconds for one in recordings]
    print(
        f"{len(lengths)} recordings of {min(lengths):.1f} to {max(lengths):.1f} s, {precision}, "
        f"{os.cpu_count()} cores; extract: {found['recordings_a_second']:.1f} recordings a second, "
        f"{found['times_real_time']:.1f} × real time"
    )
    print("| clients | answers/s | ÷ extract | p50 | p95 | refused | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in found["rows"]:
        refused = f"{row['refused']}, {row['refused_p95']:.3f} s" if row["refused"] else "0"
        print(
            f"| {row['clients']} | {row['answers_a_second']:.1f} | {row['of_extract']:.2f} | "
            f"{row['p50']:.3f} s | {row['p95']:.3f} s | {refused} | "
            f"{row['megabytes_before']:.0f} → {row['megabytes_after']:.0f} |"
        )


if __name__ == "__main__":
    main()
