"""What decides a probe's numbers."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classify.heads import find
from classify.options import (
    EMOTION_TARGETS,
    Options,
    add_folds,
    add_poolings,
    add_seed,
    add_selection,
    require_option_C,
    split_names,
    split_one,
)
from data.errors import UsageError

PROBES = ("logreg", "ridge", "lda")
REMOVALS = ("speaker", "speaker-subspace")
CONFOUNDS = ("speaker", "sex", "sentence", "intensity", "corpus")


@dataclass(frozen=True)
class ProbeOptions:
    """The options; verified once, here."""

    cache: Path = Options.cache
    corpora: tuple[str, ...] = ()  # none: all of the cache
    labels: str | None = None  # of emotions: see data.emotions.parse_labels
    targets: tuple[str, ...] = ()  # columns; none: emotion, unless quick with known confounds
    head: str = "logreg"
    C: float | None = None  # None: chosen inside of each training part; --quick: the head's own
    poolings: tuple[str, ...] = ()  # none: all of the cache
    folds: int | str = "auto"
    seed: int = 0
    shuffles: int = 20  # refits with shuffled labels
    quick: bool = False  # the curves alone
    control: Path | None = None  # another cache, of an untrained encoder
    against: Path | None = None  # another cache to compare layers with
    remove: str | None = None  # "speaker": the speaker's mean; "speaker-subspace"
    mdl: bool = False

    def __post_init__(self) -> None:
        if self.head not in PROBES and ":" not in self.head:
            raise UsageError(
                f"no probe {self.head!r}: choose from {', '.join(PROBES)}, or name a class of "
                "scikit-learn's kind as package.module:Class"
            )
        if not find(self.head).classifies:
            raise UsageError(f"--head {self.head} predicts numbers; a probe tells classes apart")
        if self.C is not None and self.head not in PROBES:
            raise UsageError(
                f"--C is for {', '.join(PROBES)}; {self.head} keeps its own parameters"
            )
        if self.remove not in (None, *REMOVALS):
            raise UsageError(f"--remove {self.remove}: expected {' or '.join(REMOVALS)}")
        require_option_C(self.C)
        if self.shuffles < 0:
            raise UsageError(f"--shuffles {self.shuffles}: expected 0 or more")
        if self.mdl and self.head == "ridge":
            raise UsageError(
                "--mdl needs probabilities and ridge has none: use --head logreg or lda"
            )
        if self.quick and (asked := _beyond_curves(self)):
            raise UsageError(f"--quick gives the curves alone: leave out --{', --'.join(asked)}")
        self.selection("emotion")  # verifies what it has in common with `classify`

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "ProbeOptions":
        """Options from what `add_arguments` parsed."""
        given = vars(arguments)
        chosen = {name: given[name] for name in cls.__dataclass_fields__}
        return cls(**{**chosen, "corpora": split_names(chosen["corpora"])})

    def selection(self, target: str) -> Options:
        """The utterances and classes of `target`, as `classify` is asked for them."""
        return Options(
            head="logreg",
            cache=self.cache,
            corpora=self.corpora,
            labels=self.labels if target in EMOTION_TARGETS else None,
            target=target,
            poolings=self.poolings,
            folds=self.folds,
            seed=self.seed,
        )

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers; of other caches only the name."""
        values = asdict(self)
        del values["cache"]
        for name in ("control", "against"):
            values[name] = values[name] and values[name].name
        return values


def _beyond_curves(options: ProbeOptions) -> list[str]:
    return [name for name in ("control", "against", "remove", "mdl") if getattr(options, name)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the probe."""
    default = ProbeOptions
    add_selection(parser)
    parser.add_argument(
        "--targets",
        type=split_one,
        default=default.targets,
        metavar="COLUMNS",
        help="columns joined by commas (default: emotion, and without --quick what is known of "
        f"{', '.join(CONFOUNDS)})",
    )
    parser.add_argument(
        "--head",
        metavar="HEAD",
        default=default.head,
        help=f"{', '.join(PROBES)}, or any class of scikit-learn's kind, as "
        "sklearn.naive_bayes:GaussianNB, whose fits are slower (default: %(default)s)",
    )
    parser.add_argument(
        "--C",
        type=float,
        metavar="C",
        help="inverse strength of the regularisation (default: chosen from 7 by 3 inner folds of "
        "speakers in each training part; with --quick the head's own)",
    )
    add_poolings(parser)
    add_folds(parser)
    add_seed(parser)
    parser.add_argument("--quick", action="store_true", help="the curves with their bands alone")
    parser.add_argument(
        "--control",
        type=Path,
        metavar="FILE",
        help="a cache of the same recordings by an untrained encoder, to hold against this one",
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="a cache to compare layers with (CKA)"
    )
    parser.add_argument(
        "--remove",
        choices=REMOVALS,
        help="emotion again, after each speaker's mean or the subspace of speakers is taken out",
    )
    parser.add_argument(
        "--mdl", action="store_true", help="description length of the labels, by online coding"
    )
    parser.add_argument(
        "--shuffles",
        type=int,
        default=default.shuffles,
        metavar="N",
        help="refits with shuffled labels, 0 for none (default: %(default)s)",
    )
