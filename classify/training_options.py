"""Hyperparameters of neural heads."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from data.errors import UsageError


class Range(NamedTuple):
    """Type, range and help of a hyperparameter."""

    kind: type[int] | type[float]
    least: float
    most: float
    help: str


SETTINGS = {
    "epochs": Range(int, 1, 100_000, "passes over the training part (default: 30)"),
    "patience": Range(
        int,
        1,
        100_000,
        "stop early: hold out a tenth of the training part's speakers, end after N passes without "
        "a lower loss on them, and keep the best pass (default: all passes)",
    ),
    "batch_size": Range(int, 1, 100_000, "utterances per step (default: 32)"),
    "hidden": Range(int, 4, 100_000, "width of the hidden layer (default: 64 or 128)"),
    "dropout": Range(float, 0, 0.99, "dropout of the hidden layer (default: 0.5)"),
    "learning_rate": Range(float, 1e-8, 10, "initial learning rate of AdamW (default: 0.002)"),
    "weight_decay": Range(float, 0, 10, "weight decay of AdamW (default: 0.01)"),
    "label_smoothing": Range(
        float, 0, 0.99, "share of the target spread over all classes (default: 0.1)"
    ),
    "mixup": Range(float, 0, 100, "mix pairs of utterances by Beta(A, A) (default: 0)"),
}


@dataclass(frozen=True)
class TrainingOptions:
    """Hyperparameters of a neural head; None: the head's default. See `SETTINGS`."""

    epochs: int | None = None
    patience: int | None = None
    batch_size: int | None = None
    hidden: int | None = None
    dropout: float | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    mixup: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.given.items():
            least, most = SETTINGS[name].least, SETTINGS[name].most
            if not least <= value <= most:
                raise UsageError(f"{flag(name)} {value}: expected {least:g} to {most:g}")

    @property
    def given(self) -> dict[str, Any]:
        """The hyperparameters that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def flag(name: str) -> str:
    """A parameter's name on the command line.

    >>> flag("batch_size")
    '--batch-size'
    """
    return "--" + name.replace("_", "-")
