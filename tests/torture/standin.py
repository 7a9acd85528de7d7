"""A stand-in for an encoder, without torch: quick, and what it makes of an utterance depends on
that utterance alone. Run as a script it is an extractor, to be killed by tests:

    python standin.py CORPUS… -o CACHE [--slow SECONDS] [--shard N]
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data import corpora
from data.console import run
from extract import pipeline, shard_writer
from extract.baselines import parameters
from extract.engines import Pooled
from extract.recipe import DEFAULT_BASELINES


class StandIn:
    """`layers` × `dim` numbers from an utterance's samples."""

    receptive_field = 400
    batch_seconds = 32.0
    streams = 1
    suggests_bfloat16 = False

    def __init__(self, layers: int = 3, dim: int = 8, slow: float = 0.0, **changes: Any) -> None:
        self.slow = slow  # seconds a batch
        self.dim = dim
        self.embedded = 0  # utterances
        self.provenance = {"device": "stand-in"}
        self.recipe = {
            "model": "stand-in",
            "control": True,
            "layers": list(range(layers)),
            "sampling_rate": 16_000,
            "normalisation": "none",
            "pooling": ["mean"],
            "sequence_rate": None,
            "sequence_layers": [],
            "engine": "stand-in",
            "precision": "float32",
            "baselines": parameters(DEFAULT_BASELINES),
        } | changes

    def embed(self, waveforms: list[np.ndarray]) -> Pooled:
        if self.slow:
            print("a batch", file=sys.stderr, flush=True)
            time.sleep(self.slow)
        self.embedded += len(waveforms)
        if "STANDIN_BROKEN" in os.environ:
            raise ZeroDivisionError("broken")
        fatal = int(os.environ.get("STANDIN_FATAL", 0))  # samples of an utterance that kills
        if fatal in map(len, waveforms):
            os._exit(1)
        layers = np.array(self.recipe["layers"], np.float32)
        pooled = {}
        for number, name in enumerate(self.recipe["pooling"]):
            rows = [self._row(waveform, number) for waveform in waveforms]
            pooled[name] = layers[:, None, None] + np.stack(rows)
        sequences = None
        if self.recipe["sequence_layers"]:
            sequences = [self._steps(waveform) for waveform in waveforms]
        return Pooled(pooled, sequences)

    def _row(self, waveform: np.ndarray, number: int) -> np.ndarray:
        pieces = np.array_split(waveform, self.dim)
        return np.array([piece.mean() + number for piece in pieces], np.float32)

    def _steps(self, waveform: np.ndarray) -> np.ndarray:
        count = max(1, round(len(waveform) / 16_000 * self.recipe["sequence_rate"]))
        layers = np.array(self.recipe["sequence_layers"], np.float16)[:, None, None]
        rows = np.stack([self._row(piece, 0) for piece in np.array_split(waveform, count)])
        return layers + rows.astype(np.float16)


@dataclass(frozen=True)
class Source:
    """A stand-in to be opened by a Dask worker, whose PYTHONPATH leads to this file."""

    layers: int = 3
    dim: int = 8
    slow: float = 0.0

    def __call__(self, recipe: dict[str, Any] | None = None) -> StandIn:
        others = os.environ.get("STANDIN_WEIGHTS")  # which a worker may have
        changes = {"weights": others} if others else {}
        return StandIn(self.layers, self.dim, self.slow, **changes)


def peak_megabytes() -> float:
    """Peak memory of this process; that of getrusage begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--shard", type=int, default=shard_writer.SHARD_UTTERANCES)
    parser.add_argument("--batch", type=float, default=32.0)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--dim", type=int, default=8)
    args = parser.parse_args()
    shard_writer.SHARD_UTTERANCES = args.shard
    utterances = [u for corpus in corpora.read_all(args.corpora) for u in corpus.utterances]
    engine = StandIn(args.layers, args.dim, args.slow)
    settings = pipeline.Settings(batch_seconds=args.batch)
    summary = pipeline.extract(utterances, engine, args.out, settings)
    print(summary.embedded, summary.cached, len(summary.refused), peak_megabytes(), flush=True)
    return 3 if summary.refused else 0


if __name__ == "__main__":
    sys.exit(run(main))
