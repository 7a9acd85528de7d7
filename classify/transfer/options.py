"""The options of a transfer study."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classify.heads import find
from classify.options import Options
from data.errors import UsageError

ADAPTATIONS = PRIOR, CORAL = "prior", "coral"
BALANCED = "balance corpus"
NORMALIZED = "normalize corpus"
PLAIN = ""  # nothing is done about the shift


@dataclass(frozen=True)
class TransferOptions:
    """The options, verified when they are made.

    Attributes:
        caches: of the same utterances by one encoder each; the first is what others are compared
            with.
        by: column whose values are trained and tested on: corpus, language, or any other.
        only: values of `by` to use; none: all.
        corpora: only these; none: all of the cache.
        labels: see `data.emotions.parse_labels`.
        heads: the first is what others are compared with.
        layer: a layer, or "mean"; None: as each head does best.
        C: inverse strength of regularisation; None: each head's own.
        poolings: joined; none: all of the cache.
        folds: within a corpus, see `classify.evaluation.folds.split`.
        normalize: whether features are also standardised by each corpus, the tested one included.
        adapt: of `ADAPTATIONS`.
        balance: whether corpora also weigh the same in training.
        curves: whether each layer is scored.
        seed: of the folds and tests.
        allow_heard: whether to test on what an encoder was trained on.
    """

    caches: tuple[Path, ...] = (Path("embeddings.h5"),)
    by: str = "corpus"
    only: tuple[str, ...] = ()
    corpora: tuple[str, ...] = ()
    labels: str | None = None
    heads: tuple[str, ...] = ("logreg",)
    layer: int | str | None = None
    C: float | None = None
    poolings: tuple[str, ...] = ()
    folds: int | str = "auto"
    normalize: bool = False
    adapt: tuple[str, ...] = ()
    balance: bool = False
    curves: bool = True
    seed: int = 0
    allow_heard: bool = False

    def __post_init__(self) -> None:
        for name in self.adapt:
            if name not in ADAPTATIONS:
                raise UsageError(f"--adapt {name}: expected {' or '.join(ADAPTATIONS)}")
        if not self.heads or len(set(self.heads)) < len(self.heads):
            raise UsageError(f"--heads {','.join(self.heads)}: expected different heads")
        if len(set(self.caches)) < len(self.caches):
            raise UsageError("--cache: a cache was given twice")
        for head in self.heads:
            self.of(head, self.caches[0])

    @property
    def shifts(self) -> tuple[str, ...]:
        """What is done about the shift, each by itself, after nothing."""
        given = {NORMALIZED: self.normalize, BALANCED: self.balance}
        return (PLAIN, *(name for name, holds in given.items() if holds), *self.adapt)

    def of(self, head: str, cache: Path) -> Options:
        """The options of one head on one cache."""
        regularised = find(head).regularised
        return Options(
            head=head, cache=cache, corpora=self.corpora, labels=self.labels, layer=self.layer,
            C=self.C if regularised else None, poolings=self.poolings, folds=self.folds,
            seed=self.seed, allow_heard=self.allow_heard,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the paths of the caches."""
        values = asdict(self)
        del values["caches"]
        if not self.allow_heard:
            del values["allow_heard"]
        return values
