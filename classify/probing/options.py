"""The options of a probe."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classify.heads import find
from classify.options import EMOTION_TARGETS, Options, require_option_C
from data.errors import UsageError

PROBES = ("logreg", "ridge", "lda")
REMOVALS = ("speaker", "speaker-subspace")
CONFOUNDS = ("speaker", "sex", "sentence", "intensity", "corpus")


@dataclass(frozen=True)
class ProbeOptions:
    """The options, verified when they are made."""

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
    allow_heard: bool = False  # whether to test on what the encoder was trained on
    repair: tuple[str, ...] = ()  # as of `Options`

    def __post_init__(self) -> None:
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

    def selection(self, target: str) -> Options:
        """The options that select the utterances and classes of `target`."""
        return Options(
            head="logreg",
            cache=self.cache,
            corpora=self.corpora,
            labels=self.labels if target in EMOTION_TARGETS else None,
            target=target,
            poolings=self.poolings,
            folds=self.folds,
            seed=self.seed,
            allow_heard=self.allow_heard,
            repair=self.repair,
        )

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers; of other caches only the name."""
        values = asdict(self)
        del values["cache"]
        for name in ("allow_heard", "repair"):
            if not values[name]:
                del values[name]
        for name in ("control", "against"):
            values[name] = values[name] and values[name].name
        return values


def _beyond_curves(options: ProbeOptions) -> list[str]:
    return [name for name in ("control", "against", "remove", "mdl") if getattr(options, name)]
