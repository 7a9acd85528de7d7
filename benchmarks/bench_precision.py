"""Effect of bfloat16: UAR of every layer, leave one speaker out, compared with float32.

    python benchmarks/bench_precision.py CORPUS [--model untrained] [--engine torch] [--out FOLDER]

Extracts the corpus twice (again at once where FOLDER has it already), fits the probe's logistic
regression on the mean of every layer, and prints both UARs, their difference, and the worst cosine.
Where hardware does not multiply bfloat16, it is imitated: weights, and what every module gives, are
rounded to it, and products are summed in float32, as hardware does.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import recall_score

from classify.heads.linear.batched import DEFAULT_C, Problems, predictions
from data import Cache, corpora
from extract.engines import open_engine
from extract.engines.torch import TorchEngine
from extract.hardware import multiplies_bfloat16
from extract.pipeline import extract
from extract.recipe import Request

PRECISIONS = ("float32", "bfloat16")
MOST = 0.01  # difference of two UARs


def imitate_bfloat16(engine: TorchEngine) -> None:
    """Round as bfloat16 hardware does, in float32 arithmetic."""

    def rounded(module: torch.nn.Module, _: tuple, out: object) -> object:
        return out.bfloat16().float() if isinstance(out, torch.Tensor) else None

    encoder = engine.encoder
    for part in (encoder.front_end.others, encoder.project, encoder.transformer):
        for parameter in part.parameters():
            parameter.data = parameter.data.bfloat16().float()
        for module in part.modules():
            module.register_forward_hook(rounded)


def cached(root: str, model: str, engine: str, precision: str, folder: Path) -> Cache:
    """The corpus, embedded."""
    path = folder / f"{precision}.h5"
    imitated = precision == "bfloat16" and not multiplies_bfloat16("cpu")
    request = Request(
        pooling=("mean",),
        precision="float32" if imitated else precision,
        engine="torch" if imitated else engine,
    )
    opened = open_engine(model, request, "cpu")
    if imitated:
        assert isinstance(opened, TorchEngine)
        imitate_bfloat16(opened)
        print("bfloat16 is imitated: this CPU does not multiply it", file=sys.stderr)
    extract(corpora.read(root).utterances, opened, path)
    return Cache(path)


def uars(cache: Cache) -> np.ndarray:
    """(layer,) UAR of the emotion."""
    table = cache.utterances
    _, y = np.unique(table["emotion"].astype(str), return_inverse=True)
    _, speaker = np.unique(table["speaker"].astype(str), return_inverse=True)
    train = speaker != np.arange(speaker.max() + 1)[:, None]
    problems = Problems(train, y, int(y.max()) + 1, DEFAULT_C["logreg"])
    rows = np.arange(len(y))
    predicted = [
        predictions("logreg", X, problems)[speaker, rows] for X in cache.embeddings("mean")
    ]
    return np.array([recall_score(y, one, average="macro") for one in predicted])


def main() -> int:
    """Measure and print; the status is 1 where a layer differs too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--model", default="untrained")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        caches = [
            cached(args.corpus, args.model, args.engine, precision, folder)
            for precision in PRECISIONS
        ]
        exact, rounded = (cache.embeddings("mean").astype(np.float64) for cache in caches)
        found = [uars(cache) for cache in caches]
        layers = caches[0].layers
    norms = np.linalg.norm(exact, axis=2) * np.linalg.norm(rounded, axis=2)
    cosine = ((exact * rounded).sum(2) / norms).min(1)
    print("| layer | float32 | bfloat16 | difference | worst cosine |")
    print("| --- | --- | --- | --- | --- |")
    for layer, a, b, c in zip(layers, *found, cosine, strict=True):
        print(f"| {layer} | {a:.3f} | {b:.3f} | {b - a:+.3f} | {c:.6f} |")
    return int(np.abs(found[1] - found[0]).max() > MOST)


if __name__ == "__main__":
    sys.exit(main())
