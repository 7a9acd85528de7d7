"""Time and memory of whole commands in cold processes.

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
from pathlib import Path

from data import corpora

TORCH = 'python -c "import torch"'


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


def commands(root: Path, recording: Path, model: str) -> dict[str, list[str]]:
    """Name → arguments of Python."""
    extract = ["-m", "extract", str(root), "--model", model, "-o", "all.h5"]
    classify = ["-m", "classify", "--cache", "all.h5", "--out"]
    return {
        TORCH: ["-c", "import torch"],
        "extract, nothing to do": extract,
        "extract --dry-run": [*extract, "--dry-run"],
        "predict MODEL one.wav, logreg": ["-m", "classify", "predict", "logreg", str(recording)],
        "predict MODEL one.wav, mlp": ["-m", "classify", "predict", "mlp", str(recording)],
        "predict MODEL missing.wav": ["-m", "classify", "predict", "logreg", "missing.wav"],
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
        listed = commands(root, corpora.read(root).utterances[0].file, args.model)
        if args.cache:
            (folder / "all.h5").write_bytes(args.cache.read_bytes())
        measure(listed["extract, nothing to do"], folder)
        for head in ("logreg", "mlp"):
            measure(["-m", "classify", "train", "--cache", "all.h5", "--head", head, "--fit-only",
                     "-o", head], folder)  # fmt: skip
        for command in listed.values():
            measure(command, folder)  # keeps the converted encoder, and fills the disk's cache
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in listed}
        for _ in range(args.rounds):
            for name, command in listed.items():
                found[name].append(measure(command, folder))
    print("| command | s | ÷ import torch | MB |\n| --- | --- | --- | --- |")
    for name, rounds in found.items():
        seconds = statistics.median(one for one, _ in rounds)
        pairs = zip(rounds, found[TORCH], strict=True)
        ratio = statistics.median(own[0] / torch[0] for own, torch in pairs)
        print(f"| `{name}` | {seconds:.2f} | {ratio:.2f} | {max(m for _, m in rounds):.0f} |")


if __name__ == "__main__":
    main()
