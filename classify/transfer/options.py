"""The options of a transfer study."""

from dataclasses import dataclass
from pathlib import Path

from classify import options as shared
from classify.heads import find
from classify.options import Options, StudyOptions
from data.errors import UsageError
from data.options import option, verify

ADAPTATIONS = PRIOR, CORAL = "prior", "coral"
BALANCED = "balance corpus"
NORMALIZED = "normalize corpus"
PLAIN = ""  # nothing is done about the shift


@dataclass(frozen=True)
class TransferOptions(StudyOptions):
    """The options, verified when they are made."""

    caches: tuple[Path, ...] = option(
        (Options.cache,),
        "cache of several corpora; repeat it to compare encoders on the same utterances",
        flag="--cache",
        action="append",
        metavar="FILE",
    )
    by: str = option(
        "corpus",
        "train and test on the values of this column: corpus, language, or any other",
        metavar="COLUMN",
    )
    only: tuple[str, ...] = option(
        (), "use only these values of --by, joined by commas, such as de,en", metavar="NAMES"
    )
    corpora: tuple[str, ...] = shared.CORPORA
    labels: str | None = shared.LABELS
    heads: tuple[str, ...] = option(
        ("logreg",),
        "heads as in 'python -m classify', joined by commas; others are compared with the first",
        metavar="NAMES",
    )
    layer: int | str | None = shared.LAYER
    C: float | None = shared.C
    poolings: tuple[str, ...] = shared.POOLINGS
    folds: int | str = option(
        "auto",
        "folds within a corpus, as in 'python -m classify'",
        metavar="auto|speaker|speaker+sentence|N",
    )
    normalize: bool = option(
        False,
        "also with features standardised by each corpus, the tested one included: it looks at all "
        "tested features, not at their labels",
        choices=("corpus",),
    )
    adapt: tuple[str, ...] = option(
        (),
        f"also with {' or '.join(ADAPTATIONS)}, joined by commas; prior: class shares of the "
        "tested corpus by EM (Saerens et al. 2002); coral: covariance aligned with the tested "
        "corpus (Sun et al. 2016); both look at all tested features, not at their labels",
        choices=ADAPTATIONS,
        metavar="NAMES",
    )
    balance: bool = option(
        False,
        "also with all corpora of a training part weighted alike; looks at no test data",
        choices=("corpus",),
    )
    curves: bool = shared.CURVES  # whether each layer is scored
    seed: int = shared.SEED
    allow_heard: bool = shared.ALLOW_HEARD

    def __post_init__(self) -> None:
        verify(self)
        shared.require_heads(self.heads)
        if len(set(self.caches)) < len(self.caches):
            raise UsageError("--cache: a cache was given twice")
        for head in self.heads:
            self.of(head, self.caches[0])

    @property
    def shifts(self) -> tuple[str, ...]:
        """The corrections of the shift, each by itself; the first is none."""
        given = {NORMALIZED: self.normalize, BALANCED: self.balance}
        return (PLAIN, *(name for name, holds in given.items() if holds), *self.adapt)

    def of(self, head: str, cache: Path) -> Options:
        """The options of one head on one cache."""
        C = self.C if find(head).regularised else None
        plain = {"normalize": Options.normalize, "balance": Options.balance}
        return self.options(head=head, cache=cache, C=C, **plain)
