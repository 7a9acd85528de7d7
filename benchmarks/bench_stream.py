"""Latency, skipped hops and memory of a stream, fed at a pace.

    python benchmarks/bench_stream.py MODEL --minutes 10
    python benchmarks/bench_stream.py MODEL --minutes 10 --pace 2 --gaps

Feeds raw PCM in blocks of 20 ms to ``python -m classify predict MODEL - --stream --no-vad``, whose
encoder therefore runs at every hop. At a pace of 1 or less the stream has ``--live``; otherwise the
source waits. Latency is measured twice: as reported by the program, and from outside, from
the write of a window's last sample to the arrival of its line. ``drift`` compares the medians of
the first and the last tenth. Prints one table; ``--json FILE`` writes the same numbers.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

RATE = 16_000
BLOCK = 320  # samples: 20 ms
GAP_EVERY, GAP = 20.0, 3.0  # seconds of audio, of nothing


def speechlike(minutes: float, rate: int) -> np.ndarray:
    """(sample,) int16: noise under a syllabic envelope, a minute of it again and again."""
    random = np.random.default_rng(0)
    times = np.arange(60 * rate) / rate
    envelope = 0.1 + np.sin(np.pi * 4 * times) ** 2
    minute = (0.1 * envelope * random.standard_normal(len(times))).clip(-1, 1)
    samples = np.resize(minute, round(minutes * 60 * rate))
    return (samples * 32767).astype("<i2")


class Feeder(threading.Thread):
    """Writes samples when they are due, and remembers when each block went."""

    def __init__(self, samples: np.ndarray, pipe, rate: int, pace: float, gaps: bool) -> None:
        super().__init__(daemon=True)
        self.samples, self.pipe, self.rate, self.pace, self.gaps = samples, pipe, rate, pace, gaps
        self.block = BLOCK * rate // RATE
        self.sent: list[float] = []  # when the write of each block began

    def run(self) -> None:
        due, since_gap = time.monotonic(), 0.0
        for first in range(0, len(self.samples), self.block):
            due += self.block / self.rate / self.pace  # its last sample has been spoken
            since_gap += self.block / self.rate
            if self.gaps and since_gap > GAP_EVERY:
                due, since_gap = due + GAP, 0.0
            time.sleep(max(due - time.monotonic(), 0))
            self.sent.append(time.monotonic())
            try:
                self.pipe.write(self.samples[first : first + self.block].tobytes())
            except BrokenPipeError:
                return
        self.pipe.close()

    def sent_at(self, seconds: float) -> float:
        """When the block with the sample at `seconds` of the stream was written."""
        return self.sent[max(int(np.ceil(seconds * self.rate / self.block - 1e-9)) - 1, 0)]


def resident(process: int) -> float:
    """MB of a process in memory; 0: it has ended."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def measure(arguments: argparse.Namespace) -> dict:
    """Run one stream to its end."""
    command = [sys.executable, "-m", "classify", "predict", str(arguments.model), "-", "--stream"]
    command += ["--no-vad", "--rate", str(arguments.rate)]
    command += ["--window", str(arguments.window), "--hop", str(arguments.hop)]
    command += ["--live"] if arguments.pace <= 1 else []
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads or os.cpu_count())}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        env=environment,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    messages = []
    for line in process.stderr:
        messages.append(line.decode())
        if b"listening" in line:
            break
    else:
        raise SystemExit("".join(messages))
    rest = threading.Thread(target=lambda: messages.extend(x.decode() for x in process.stderr))
    rest.start()
    samples = speechlike(arguments.minutes, arguments.rate)
    feeder = Feeder(samples, process.stdin, arguments.rate, arguments.pace, arguments.gaps)
    feeder.start()
    lines, came, memory = [], [], []
    for line in iter(process.stdout.readline, b""):
        came.append(time.monotonic())
        lines.append(json.loads(line))
        memory.append(resident(process.pid) or memory[-1])
    process.wait()
    rest.join()
    outside = np.array(
        [at - feeder.sent_at(line["time"]) for at, line in zip(came, lines, strict=True)]
    )
    tenth = max(len(outside) // 10, 1)
    return {
        "seconds": len(samples) / arguments.rate,
        "answers": len(lines),
        "skipped": sum(line["skipped"] for line in lines),
        "times": [line["time"] for line in lines],
        "reported": quantiles(np.array([line["latency"] for line in lines])),
        "outside": quantiles(outside),
        "drift": float(np.median(outside[-tenth:]) - np.median(outside[:tenth])),
        "memory_start": memory[min(10, len(memory) - 1)],  # after ten answers
        "memory_end": memory[-1],
        "status": process.returncode,
        "summary": "".join(messages).strip().splitlines()[-2:],
    }


def quantiles(seconds: np.ndarray) -> dict[str, float]:
    """Median, 95th percentile and largest."""
    median, high = np.quantile(seconds, [0.5, 0.95])
    return {"median": float(median), "p95": float(high), "max": float(seconds.max())}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder from 'classify train'")
    parser.add_argument("--minutes", type=float, default=1.0, help="of audio (default: 1)")
    parser.add_argument("--pace", type=float, default=1.0, help="times real time (default: 1)")
    parser.add_argument(
        "--gaps", action="store_true", help=f"every {GAP_EVERY:g} s nothing comes for {GAP:g} s"
    )
    parser.add_argument("--rate", type=int, default=RATE, help="Hz (default: 16000)")
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--hop", type=float, default=0.5)
    parser.add_argument("--threads", type=int, help="of the encoder (default: all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    found = measure(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    gaps = f", {GAP:g} s of nothing every {GAP_EVERY:g} s" if arguments.gaps else ""
    print(f"{found['seconds']:.0f} s of audio at {arguments.pace:g} × real time{gaps}")
    print(f"answers {found['answers']}, hops skipped {found['skipped']}")
    for name in ("reported", "outside"):
        shown = ", ".join(f"{key} {value:.3f} s" for key, value in found[name].items())
        print(f"latency, {name:8}  {shown}")
    print(f"drift {found['drift']:+.3f} s")
    print(f"memory {found['memory_start']:.0f} MB → {found['memory_end']:.0f} MB")


if __name__ == "__main__":
    main()
