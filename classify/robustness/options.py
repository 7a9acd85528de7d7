"""The options of a robustness study."""

from dataclasses import dataclass
from pathlib import Path

from classify import options as shared
from classify.heads import find
from classify.options import Options, StudyOptions
from data.errors import UsageError
from data.options import option, verify


@dataclass(frozen=True)
class RobustnessOptions(StudyOptions):
    """The options, verified when they are made."""

    cache: Path = shared.CACHE
    corpora: tuple[str, ...] = shared.CORPORA
    labels: str | None = shared.LABELS
    target: str = option("emotion", "column of classes to predict", metavar="COLUMN")
    only: tuple[str, ...] = option(
        (),
        "test only in these conditions, by names or kinds joined by commas, such as "
        "telephone,noise (default: all)",
        metavar="CONDITIONS",
    )
    train_on: tuple[tuple[str, ...], ...] = option(
        (),
        "also train on copies of the training speakers in these conditions, beside clean speech: "
        "names or kinds joined by commas, or all; repeat it for several sets",
        action="append",
        metavar="CONDITIONS",
    )
    heads: tuple[str, ...] = shared.HEAD_NAMES  # the first one is shown condition by condition
    layer: int | str | None = shared.LAYER
    C: float | None = shared.C
    poolings: tuple[str, ...] = shared.POOLINGS
    folds: int | str = shared.FOLDS
    repair: tuple[str, ...] = shared.REPAIR
    curves: bool = shared.CURVES  # whether each layer is scored
    seed: int = shared.SEED
    allow_heard: bool = shared.ALLOW_HEARD

    def __post_init__(self) -> None:
        verify(self)
        shared.require_heads(self.heads)
        if not all(self.train_on):
            raise UsageError("--train-on: expected names or kinds of conditions, joined by commas")
        for head in self.heads:
            self.of(head)

    def of(self, head: str) -> Options:
        """The options of one head."""
        return self.options(head=head, C=self.C if find(head).regularised else None)
