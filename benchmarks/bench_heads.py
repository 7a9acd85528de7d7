"""Neural heads trained on all folds at once, compared with training fold by fold.

    python benchmarks/bench_heads.py --cache embeddings.h5 --corpus emodb --layer 6

The GRU needs sequences (``python -m extract … --sequence 5``). Three ways are timed in
turns, and the best of the rounds counts: plain PyTorch as it is usually written (`DataLoader`,
`nn.Module`, `torch.optim.AdamW`, all cores), this project's heads one fold at a time, and all folds
at once; all keep the same curves. Then come whole commands, start and reports included. Prints one
table; ``--json FILE`` writes the same numbers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from classify.dataset import Dataset, load
from classify.evaluation.folds import Folds, split
from classify.evaluation.run import new_head
from classify.heads.neural import MLP
from classify.options import Options
from classify.stats.metrics import confusion, uar

COMMANDS = ("logreg", "mlp", "mlp --layer mix", "gru")  # of one layer unless they say otherwise


def plain(data: Dataset, folds: Folds, head: MLP) -> np.ndarray:
    """(utterance,) classes: the same network, training and curves in plain PyTorch, by folds."""
    prediction = np.empty(len(data.y), np.intp)
    for train, test in folds.parts:
        torch.manual_seed(head.random_state)
        mean, scale = data.X[train].mean(0), data.X[train].std(0)
        x = torch.from_numpy((data.X - mean) / np.where(scale > 0, scale, 1))
        y = torch.from_numpy(data.y)
        network = nn.Sequential(
            nn.Linear(x.shape[1], head.hidden),
            nn.ReLU(),
            nn.Dropout(head.dropout),
            nn.Linear(head.hidden, len(data.classes)),
        )
        rows = TensorDataset(x[train], y[train])
        batches = DataLoader(rows, batch_size=head.batch_size, shuffle=True)
        optimizer = torch.optim.AdamW(
            network.parameters(), head.learning_rate, weight_decay=head.weight_decay
        )
        steps = head.epochs * len(batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        loss = nn.CrossEntropyLoss(label_smoothing=head.label_smoothing)
        curves: list[list[float]] = []
        for _ in range(head.epochs):
            network.train()
            seen = []
            for batch, labels in batches:
                optimizer.zero_grad()
                logits = network(batch)
                loss(logits, labels).backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                seen.append((logits.detach(), labels))
            network.eval()
            with torch.no_grad():
                logits = network(x[test])
            trained = scores(*(torch.cat(batch) for batch in zip(*seen, strict=True)))
            curves.append([*trained, *scores(logits, y[test])])
        prediction[test] = logits.argmax(1).numpy()
    return prediction


def scores(logits: torch.Tensor, y: torch.Tensor) -> list[float]:
    """Loss, accuracy and UAR of an epoch."""
    counts = confusion(y.numpy(), logits.argmax(1).numpy(), logits.shape[1])
    loss = float(nn.functional.cross_entropy(logits, y))
    return [loss, float(counts.trace() / counts.sum()), float(uar(counts))]


def at_once(data: Dataset, folds: Folds, head: MLP) -> np.ndarray:
    """(utterance,) classes by heads of all folds, trained together."""
    prediction = np.empty(len(data.y), np.intp)
    seeds = [head.random_state] * len(folds)
    fitted = head.fit_folds(data.X, data.y, folds.train, seeds, watch=~folds.train)
    for one, (_, test) in zip(fitted, folds.parts, strict=True):
        prediction[test] = one.predict_proba(data.X[test]).argmax(1)
    return prediction


def one_by_one(data: Dataset, folds: Folds, head: MLP) -> np.ndarray:
    """The same, one fold after the other."""
    prediction = np.empty(len(data.y), np.intp)
    for train, (_, test) in zip(folds.train, folds.parts, strict=True):
        (one,) = head.fit_folds(
            data.X, data.y, train[None], [head.random_state], watch=~train[None]
        )
        prediction[test] = one.predict_proba(data.X[test]).argmax(1)
    return prediction


def best_of(rounds: int, *ways: Callable[[], np.ndarray]) -> list[tuple[float, np.ndarray]]:
    """The least seconds of each of some ways, taken in turns, and what they gave."""
    times: list[list[float]] = [[] for _ in ways]
    found: list[np.ndarray] = []
    for _ in range(rounds + 1):  # the first is to warm up
        found = []
        for way, spent in zip(ways, times, strict=True):
            began = time.perf_counter()
            found.append(way())
            spent.append(time.perf_counter() - began)
    return [(min(spent[1:]), one) for spent, one in zip(times, found, strict=True)]


def command(line: str, arguments: argparse.Namespace) -> tuple[float, float]:
    """Seconds of a whole command, and the UAR that it found."""
    layer = [] if "--layer" in line else ["--layer", str(arguments.layer)]
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "classify", "--head", *line.split(), *layer, "-q"]
        of = ["--cache", str(arguments.cache), "--corpus", arguments.corpus]
        out = Path(folder) / "run"
        began = time.perf_counter()
        subprocess.run([*argv, *of, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        return seconds, json.loads((out / "metrics.json").read_text())["uar"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--layer", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    options = Options(
        head="mlp", cache=arguments.cache, corpora=(arguments.corpus,), layer=arguments.layer
    )
    data = load(options)
    folds, head = split(data, "auto", 0), new_head(options, data)
    ways = {"plain PyTorch": plain, "one fold at a time": one_by_one, "all folds at once": at_once}
    timed = best_of(
        arguments.rounds, *(lambda way=way: way(data, folds, head) for way in ways.values())
    )
    print(f"mlp, {arguments.corpus}, layer {arguments.layer}, {len(folds)} folds")
    rows = []
    ours = timed[-1][0]
    for name, (seconds, prediction) in zip(ways, timed, strict=True):
        score = float(uar(confusion(data.y, prediction, len(data.classes))))
        rows.append({"job": name, "seconds": seconds, "ratio": seconds / ours, "uar": score})
        print(f"{name:20} {seconds:7.2f} s {seconds / ours:6.1f} × UAR {score:.3f}", flush=True)
    print("whole commands")
    for line in COMMANDS:
        seconds, score = command(line, arguments)
        rows.append({"job": f"--head {line}", "seconds": seconds, "uar": score})
        print(f"--head {line:13} {seconds:7.2f} s          UAR {score:.3f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
