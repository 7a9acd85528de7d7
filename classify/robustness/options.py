"""The options of a robustness study."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classify.heads import find
from classify.options import Options
from data.errors import UsageError


@dataclass(frozen=True)
class RobustnessOptions:
    """The options, verified when they are made.

    Attributes:
        cache: with conditions.
        corpora: only these; none: all of the cache.
        labels: see `data.emotions.parse_labels`.
        target: a column of classes.
        heads: the first one is shown condition by condition.
        layer: a layer, or "mean"; None: as each head does best.
        C: inverse strength of regularisation; None: each head's own.
        poolings: joined; none: all of the cache.
        folds: see `classify.evaluation.folds.split`.
        repair: see `Options`.
        only: names or kinds of conditions to test; none: all.
        train_on: sets of names or kinds of conditions, each trained on beside clean speech.
        curves: whether each layer is scored.
        seed: of the folds and tests.
        allow_heard: whether to test on what an encoder was trained on.
    """

    cache: Path = Path("embeddings.h5")
    corpora: tuple[str, ...] = ()
    labels: str | None = None
    target: str = "emotion"
    heads: tuple[str, ...] = ("logreg",)
    layer: int | str | None = None
    C: float | None = None
    poolings: tuple[str, ...] = ()
    folds: int | str = "auto"
    repair: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    train_on: tuple[tuple[str, ...], ...] = ()
    curves: bool = True
    seed: int = 0
    allow_heard: bool = False

    def __post_init__(self) -> None:
        if not self.heads or len(set(self.heads)) < len(self.heads):
            raise UsageError(f"--heads {','.join(self.heads)}: expected different heads")
        if not all(self.train_on):
            raise UsageError("--train-on: expected names or kinds of conditions, joined by commas")
        for head in self.heads:
            self.of(head)

    def of(self, head: str) -> Options:
        """The options of one head."""
        about = find(head)
        return Options(
            head=head, cache=self.cache, corpora=self.corpora, labels=self.labels,
            target=self.target, layer=self.layer, C=self.C if about.regularised else None,
            poolings=self.poolings, folds=self.folds, repair=self.repair, seed=self.seed,
            allow_heard=self.allow_heard,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the path of the cache."""
        values = asdict(self)
        del values["cache"]
        for name in ("allow_heard", "repair"):
            if not values[name]:
                del values[name]
        return values
