"""Time and memory of whole commands in cold processes; of a stream and of the server, those until
the first answer.

    python benchmarks/bench_startup.py emodb [--model untrained] [--rounds 5]

Makes a cache of some recordings and trained heads in a temporary folder, then runs each command in
turn, each round in a new process. Prints the median time, the highest memory, and the median ratio
to ``python -c "import torch"`` in the same round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from data import corpora

TORCH = 'python -c "import torch"'
FLOOR = 'python -c "import sklearn.base, seaborn"'  # that of `classify` and `probe`
STREAM = "predict MODEL - --stream, first line"
SERVE = "serve MODEL, first answer"
Answered = Callable[[subprocess.Popen, Path], object]


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak MB of a command in a new process."""
    with (folder / "output").open("w") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise SystemExit(f"{command}: {(folder / 'output').read_text()}")
    return seconds, usage.ru_maxrss / 1024


def first_answer(command: list[str], folder: Path, answered: Answered) -> tuple[float, float]:
    """Seconds and peak MB of a command until it has answered. Then it is killed."""
    began = time.perf_counter()
    with (
        (folder / "output").open("w") as errors,
        subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        answered(process, folder / "long.wav")
        seconds = time.perf_counter() - began
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.kill()
    return seconds, float(status.partition("VmHWM:")[2].split()[0]) / 1024


def stream_answered(process: subprocess.Popen, recording: Path) -> object:
    """Send a recording to standard input and wait for a line."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(recording.read_bytes())
    process.stdin.flush()
    return process.stdout.readline()


def server_answered(process: subprocess.Popen, recording: Path) -> object:
    """Send a recording to the address that the server prints, and wait for the answer."""
    assert process.stdout
    address = process.stdout.readline().split()[0].decode()
    request = urllib.request.Request(f"{address}/predict", recording.read_bytes())
    with urllib.request.urlopen(request) as answer:
        return answer.read()


ANSWERED: dict[str, Answered] = {STREAM: stream_answered, SERVE: server_answered}


def commands(root: Path, recording: Path, model: str) -> dict[str, list[str]]:
    """Name → arguments of Python."""
    extract = ["-m", "extract", str(root), "--model", model, "-o", "all.h5"]
    classify = ["-m", "classify", "--cache", "all.h5", "--out"]
    return {
        TORCH: ["-c", "import torch"],
        FLOOR: ["-c", "import sklearn.base, seaborn"],
        "extract, nothing to do": extract,
        "extract --dry-run": [*extract, "--dry-run"],
        "predict MODEL one.wav, logreg": ["-m", "classify", "predict", "logreg", str(recording)],
        "predict MODEL one.wav, mlp": ["-m", "classify", "predict", "mlp", str(recording)],
        "predict MODEL missing.wav": ["-m", "classify", "predict", "logreg", "missing.wav"],
        STREAM: ["-m", "classify", "predict", "logreg", "-", "--stream", "--jsonl"],
        SERVE: ["-m", "classify", "serve", "logreg", "--port", "0"],
        "classify --head logreg": [*classify, "run-logreg", "--head", "logreg"],
        "classify --head mlp": [*classify, "run-mlp", "--head", "mlp"],
        "classify probe --quick": ["-m", "classify", "probe", "--quick", "--cache", "all.h5",
                                   "--out", "run-probe"],
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default="untrained")
    parser.add_argument("--cache", type=Path, help="a finished cache of the corpus, to save time")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    root = args.corpus.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = corpora.read(root).utterances[0].file
        samples, rate = soundfile.read(recording)
        soundfile.write(folder / "long.wav", np.resize(samples, 3 * rate), rate)
        listed = commands(root, recording, args.model)
        if args.cache:
            (folder / "all.h5").write_bytes(args.cache.read_bytes())
        measure(listed["extract, nothing to do"], folder)
        for head in ("logreg", "mlp"):
            measure(["-m", "classify", "train", "--cache", "all.h5", "--head", head, "--fit-only",
                     "-o", head], folder)  # fmt: skip
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in listed}
        for turn in range(args.rounds + 1):
            for name, command in listed.items():
                if name in ANSWERED:
                    result = first_answer(command, folder, ANSWERED[name])
                else:
                    result = measure(command, folder)
                if turn:  # the first one keeps the converted encoder and fills the disk's cache
                    found[name].append(result)
    print("| command | s | ÷ import torch | MB |\n| --- | --- | --- | --- |")
    for name, rounds in found.items():
        seconds = statistics.median(one for one, _ in rounds)
        pairs = zip(rounds, found[TORCH], strict=True)
        ratio = statistics.median(own[0] / torch[0] for own, torch in pairs)
        print(f"| `{name}` | {seconds:.2f} | {ratio:.2f} | {max(m for _, m in rounds):.0f} |")


if __name__ == "__main__":
    main()
