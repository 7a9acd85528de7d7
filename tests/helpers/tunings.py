"""Commands of quick fine-tunings, and the weights that they leave."""

from pathlib import Path

import torch
from safetensors.torch import load_file

PATTERN = ["--pattern", "{emotion}/{speaker}_{take}"]
PLAIN = ["--engine", "torch", "--device", "cpu", "-q"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors") | load_file(folder / "head.safetensors")


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def command(recordings: Path, out: Path, *more: str) -> list[str]:
    return ["finetune", str(recordings), "-o", str(out), "--pattern", "{emotion}/{speaker}_{take}",
            "--model", "untrained:tiny", "--folds", "3", "--epochs", "3", "--batch-seconds", "4",
            "--fold", "1", "--patience", "2", "--device", "cpu", "-q", *more]  # fmt: skip
