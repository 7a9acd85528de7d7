"""The options of a cross-validation: cache, classes, layers, folds, seed."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classify.heads import HEADS, Head, find, require_C
from classify.training_options import TrainingOptions, flag
from data.errors import UsageError

AXES = ("time", "layer")
NONE = "none"  # in place of poolings: sequences by themselves
NORMALIZATIONS = ("global", "speaker", "none")
REPAIRS = ("speaker", "recording", "sentence")
EMOTION_TARGETS = ("emotion", "emotion_perceived")  # the columns that --labels maps


def require_option_C(C: float | None) -> None:
    """Require that ``--C``, if given, can be fitted.

    Raises:
        UsageError: the value is out of range.
    """
    try:
        if C is not None:
            require_C("--C", C)
    except ValueError as error:
        raise UsageError(str(error)) from error


@dataclass(frozen=True)
class Options:
    """The options, verified when they are made."""

    head: str = "mlp"
    cache: Path = Path("embeddings.h5")
    corpora: tuple[str, ...] = ()  # none: all of the cache
    labels: str | None = None  # see data.emotions.parse_labels; None: the shared vocabulary
    target: str = "emotion"  # a column of the cache; several numeric ones joined by commas
    layer: int | str | None = None  # a layer, "mean" or "mix"; None: as the head does best
    C: float | None = None  # inverse strength of regularisation; None: the head's own
    poolings: tuple[str, ...] = ()  # concatenated; none: all of the cache
    folds: int | str = "auto"  # see `classify.evaluation.folds.split`
    axis: str | None = None  # axis of sequence heads: "time" or "layer"; None: time if stored
    normalize: str = "global"  # or "speaker" (transductive), or "none" (neural heads)
    balance: bool = False  # whether all classes weigh the same in training
    training: TrainingOptions = field(default_factory=TrainingOptions)  # of neural heads
    tune: int = 0  # settings to choose among inside of each training part
    seeds: int = 1  # fits of each fold, from `seed` on
    device: str = "cpu"  # of neural heads
    seed: int = 0
    allow_heard: bool = False  # whether to test on what the encoder was trained on
    repair: tuple[str, ...] = ()  # of `REPAIRS`: dropped from training if a test part has it too
    strict: bool = False  # whether to refuse folds that share any of them

    def __post_init__(self) -> None:
        head = find(self.head)
        if self.layer == "mix" and not head.neural:
            able = ", ".join(name for name, head in HEADS.items() if head.neural)
            raise UsageError(
                f"--head {self.head} cannot mix layers: use --layer mean or a number, or one of "
                f"the heads {able}"
            )
        self._require_suitable(head)
        if self.axis not in (None, *AXES):
            raise UsageError(f"--axis {self.axis}: expected {' or '.join(AXES)}")
        if self.normalize not in NORMALIZATIONS:
            expected = ", ".join(NORMALIZATIONS)
            raise UsageError(f"--normalize {self.normalize}: expected one of {expected}")
        if self.tune < 0 or self.tune == 1:
            raise UsageError(f"--tune {self.tune}: expected 2 or more settings to choose among")
        if self.seeds < 1:
            raise UsageError(f"--seeds {self.seeds}: expected 1 or more")
        if isinstance(self.folds, int) and self.folds < 2:
            raise UsageError(f"--folds {self.folds}: expected 2 or more")
        if unknown := [name for name in self.repair if name not in REPAIRS]:
            raise UsageError(f"--repair {unknown[0]}: expected {', '.join(REPAIRS)}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed {self.seed}: expected 0 to {2**32 - 1}")
        if not self.targets:
            raise UsageError(f"--target {self.target!r}: expected a column of the cache")
        if self.labels is not None and self.target not in EMOTION_TARGETS:
            raise UsageError(
                f"--labels is for emotions, not for --target {self.target}: leave it out"
            )

    def _require_suitable(self, head: Head) -> None:
        """Refuse options that the head ignores."""
        neural = [flag(name) for name in self.training.given]
        neural += ["--normalize none"] if self.normalize == "none" else []
        neural += ["--device"] if self.device != "cpu" else []
        if neural and not head.neural:
            raise UsageError(f"{neural[0]} is for neural heads; {self.head} is not one")
        if self.axis and not head.sequences:
            able = ", ".join(name for name, head in HEADS.items() if head.sequences)
            raise UsageError(f"--axis is for heads that read sequences: {able}")
        if self.seeds > 1 and not head.random:
            raise UsageError(
                f"--seeds {self.seeds}: --head {self.head} is deterministic: leave it out"
            )
        if self.C is not None and not head.regularised:
            able = ", ".join(name for name, head in HEADS.items() if head.regularised)
            raise UsageError(f"--C: {self.head} has none; these have: {able}")
        require_option_C(self.C)
        if self.balance and not head.balanced:
            able = ", ".join(name for name, head in HEADS.items() if head.balanced)
            raise UsageError(f"--balance: {self.head} takes no weights; these do: {able}")

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that ``--target`` names."""
        return split_one(self.target)

    @property
    def fixed(self) -> dict[str, Any]:
        """Parameters of the head that are set, so that ``--tune`` does not search them."""
        return self.training.given | ({} if self.C is None else {"C": self.C})

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the path of the cache."""
        values = {**asdict(self), "training": self.training.given}
        return without_unused(values)


def without_unused(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of `Options` that decide the numbers."""
    for name in ("allow_heard", "repair"):
        if not values[name]:
            del values[name]
    del values["cache"], values["strict"]
    return values


def split_one(text: str) -> tuple[str, ...]:
    """Names joined by commas, each once."""
    return split_names([text])


def split_names(texts: list[str]) -> tuple[str, ...]:
    """Names from repeated and comma-joined arguments, each once.

    >>> split_names(["emodb,ravdess", "tess"])
    ('emodb', 'ravdess', 'tess')
    """
    names = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))
