"""The options of a probe."""

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from classify import options as shared
from classify.heads import LEAST_C, MOST_C, find
from classify.options import EMOTION_TARGETS, Options, StudyOptions
from data.errors import UsageError
from data.options import option, verify

PROBES = ("logreg", "ridge", "lda")
CONFOUNDS = ("speaker", "sex", "sentence", "intensity", "corpus")


@dataclass(frozen=True)
class ProbeOptions(StudyOptions):
    """The options, verified when they are made."""

    cache: Path = shared.CACHE
    corpora: tuple[str, ...] = shared.CORPORA
    labels: str | None = shared.LABELS
    targets: tuple[str, ...] = option(
        (),
        "columns joined by commas (default: emotion and, without --quick, those known of "
        f"{', '.join(CONFOUNDS)})",
        metavar="COLUMNS",
    )
    head: str = option(
        "logreg",
        f"{', '.join(PROBES)}, or any class with scikit-learn's interface, such as "
        "sklearn.naive_bayes:GaussianNB, which fits more slowly",
        metavar="HEAD",
    )
    C: float | None = option(
        None,
        "inverse strength of the regularisation (default: chosen from 7 by 3 inner folds of "
        "speakers in each training part; with --quick the head's own)",
        limits=(LEAST_C, MOST_C),
        metavar="C",
    )
    poolings: tuple[str, ...] = shared.POOLINGS
    folds: int | str = shared.FOLDS
    repair: tuple[str, ...] = shared.REPAIR
    seed: int = shared.SEED
    allow_heard: bool = shared.ALLOW_HEARD
    quick: bool = option(False, "only the curves and their intervals")
    control: Path | None = option(
        None, "cache of the same recordings by an untrained encoder, as a control", metavar="FILE"
    )
    against: Path | None = option(
        None, "cache whose layers are compared with these (CKA)", metavar="FILE"
    )
    remove: str | None = option(
        None,
        "probe emotion again without each speaker's mean or the subspace of speakers",
        choices=("speaker", "speaker-subspace"),
    )
    mdl: bool = option(False, "compute the description length of the labels by online coding")
    shuffles: int = option(20, "number of fits with shuffled labels", limits=(0, inf), metavar="N")

    def __post_init__(self) -> None:
        verify(self)
        if self.head not in PROBES and ":" not in self.head:
            raise UsageError(
                f"no probe {self.head!r}: choose from {', '.join(PROBES)}, or name a class with "
                "scikit-learn's interface as package.module:Class"
            )
        if not find(self.head).classifies:
            raise UsageError(f"--head {self.head} predicts numbers; a probe predicts classes")
        if self.C is not None and self.head not in PROBES:
            raise UsageError(
                f"--C is for {', '.join(PROBES)}; {self.head} keeps its own parameters"
            )
        if self.mdl and self.head == "ridge":
            raise UsageError(
                "--mdl needs probabilities and ridge has none: use --head logreg or lda"
            )
        if self.quick and (asked := _beyond_curves(self)):
            raise UsageError(f"--quick gives the curves alone: leave out --{', --'.join(asked)}")
        self.selection("emotion")  # verifies what it has in common with `classify`

    def selection(self, target: str) -> Options:
        """The options that select the utterances and classes of `target`."""
        labels = self.labels if target in EMOTION_TARGETS else None
        return self.options(head="logreg", target=target, labels=labels, C=None)

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers; of other caches only the name."""
        others = {"control": self.control, "against": self.against}
        return super().as_json() | {name: path and path.name for name, path in others.items()}


def _beyond_curves(options: ProbeOptions) -> list[str]:
    return [name for name in ("control", "against", "remove", "mdl") if getattr(options, name)]
