"""Hyperparameters of neural heads."""

from dataclasses import asdict, dataclass
from typing import Any

from data.options import option, verify


@dataclass(frozen=True)
class TrainingOptions:
    """Hyperparameters of a neural head; None: the head's default."""

    epochs: int | None = option(
        None, "passes over the training part (default: 30)", metavar="N", limits=(1, 100_000)
    )
    patience: int | None = option(
        None,
        "stop early: hold out a tenth of the training part's speakers, end after N passes without "
        "a lower loss on them, and keep the best pass (default: all passes)",
        metavar="N",
        limits=(1, 100_000),
    )
    batch_size: int | None = option(
        None, "utterances per step (default: 32)", metavar="N", limits=(1, 100_000)
    )
    hidden: int | None = option(
        None, "width of the hidden layer (default: 64 or 128)", metavar="N", limits=(4, 100_000)
    )
    dropout: float | None = option(
        None, "dropout of the hidden layer (default: 0.5)", metavar="X", limits=(0, 0.99)
    )
    learning_rate: float | None = option(
        None, "initial learning rate of AdamW (default: 0.002)", metavar="X", limits=(1e-8, 10)
    )
    weight_decay: float | None = option(
        None, "weight decay of AdamW (default: 0.01)", metavar="X", limits=(0, 10)
    )
    label_smoothing: float | None = option(
        None,
        "share of the target spread over all classes (default: 0.1)",
        metavar="X",
        limits=(0, 0.99),
    )
    mixup: float | None = option(
        None, "mix pairs of utterances by Beta(A, A) (default: 0)", metavar="A", limits=(0, 100)
    )

    def __post_init__(self) -> None:
        verify(self)

    @property
    def given(self) -> dict[str, Any]:
        """The hyperparameters that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}
