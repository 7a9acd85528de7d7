"""What decides a head's scores: the cache, the classes, the layers, the folds, the seed."""

import argparse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classify import training_options
from classify.heads import HEADS, LEAST_C, MOST_C, Head, find, require_C
from classify.training_options import TrainingOptions, flag
from data.errors import UsageError

AXES = ("time", "layer")
NONE = "none"  # in place of poolings: sequences by themselves
NORMALIZATIONS = ("global", "speaker", "none")
EMOTION_TARGETS = ("emotion", "emotion_perceived")  # the columns that --labels maps


def require_option_C(C: float | None) -> None:
    """See that ``--C``, if given, can be fitted.

    Raises:
        UsageError: it is out of range.
    """
    try:
        if C is not None:
            require_C("--C", C)
    except ValueError as error:
        raise UsageError(str(error)) from error


@dataclass(frozen=True)
class Options:
    """The options; verified once, here."""

    head: str = "mlp"
    cache: Path = Path("embeddings.h5")
    corpora: tuple[str, ...] = ()  # none: all of the cache
    labels: str | None = None  # see data.emotions.parse_labels; None: the shared vocabulary
    target: str = "emotion"  # a column of the cache; several numeric ones joined by commas
    layer: int | str | None = None  # a layer, "mean" or "mix"; None: as the head does best
    C: float | None = None  # inverse strength of regularisation; None: the head's own
    poolings: tuple[str, ...] = ()  # concatenated; none: all of the cache
    folds: int | str = "auto"  # see `classify.evaluation.folds.split`
    axis: str | None = None  # what sequence heads go along: "time" or "layer"; None: time if stored
    normalize: str = "global"  # or "speaker" (transductive), or "none" (neural heads)
    balance: bool = False  # whether all classes weigh the same in training
    training: TrainingOptions = field(default_factory=TrainingOptions)  # of neural heads
    tune: int = 0  # settings to choose among inside of each training part
    seeds: int = 1  # fits of each fold, from `seed` on
    device: str = "cpu"  # of neural heads
    seed: int = 0

    def __post_init__(self) -> None:
        head = find(self.head)
        if self.layer == "mix" and not head.neural:
            able = ", ".join(name for name, head in HEADS.items() if head.neural)
            raise UsageError(
                f"--head {self.head} cannot weigh layers: use --layer mean or a number, or one of "
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
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed {self.seed}: expected 0 to {2**32 - 1}")
        if not self.targets:
            raise UsageError(f"--target {self.target!r}: expected a column of the cache")
        if self.labels is not None and self.target not in EMOTION_TARGETS:
            raise UsageError(
                f"--labels maps emotions; --target {self.target} is taken as the cache has it"
            )

    def _require_suitable(self, head: Head) -> None:
        """Refuse what the head would not look at."""
        neural = [flag(name) for name in self.training.given]
        neural += ["--normalize none"] if self.normalize == "none" else []
        neural += ["--device"] if self.device != "cpu" else []
        if neural and not head.neural:
            raise UsageError(f"{neural[0]} is for neural heads; {self.head} is none")
        if self.axis and not head.sequences:
            able = ", ".join(name for name, head in HEADS.items() if head.sequences)
            raise UsageError(f"--axis is for heads that read sequences: {able}")
        if self.seeds > 1 and not head.random:
            raise UsageError(f"--seeds {self.seeds}: nothing in --head {self.head} is random")
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
        """Parameters of the head that are set, and so not searched."""
        return self.training.given | ({} if self.C is None else {"C": self.C})

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "Options":
        """Options from what `add_arguments` parsed."""
        given = vars(arguments)
        chosen = {name: given[name] for name in cls.__dataclass_fields__ if name in given}
        training = TrainingOptions.from_arguments(arguments)
        corpora = split_names(chosen["corpora"])
        return cls(**{**chosen, "corpora": corpora, "training": training})

    def as_json(self) -> dict[str, Any]:
        """What decides the numbers, without the place where the cache lies."""
        values = {**asdict(self), "training": self.training.given}
        del values["cache"]
        return values


def add_arguments(parser: argparse.ArgumentParser, seeds: bool = True, head: bool = True) -> None:
    """Add the options that choose a head, what it sees and how it is tested.

    Without `seeds`, every fold is fitted once. Without `head`, which heads there are is asked for
    elsewhere.
    """
    default = Options()
    if head:
        add_head(parser)
    add_selection(parser)
    parser.add_argument(
        "--target",
        default=default.target,
        metavar="COLUMN",
        help="what to tell apart: emotion_perceived, sex, or any other column of the cache; "
        "numeric columns, such as arousal,valence, are regressed (default: %(default)s)",
    )
    parser.add_argument(
        "--layer",
        type=_layer,
        metavar="N|mean|mix",
        help="one hidden layer, the mean of all, or all for a neural head to weigh "
        "(default: mix for neural heads, mean for others)",
    )
    if head:
        parser.add_argument(
            "--C",
            type=float,
            metavar="C",
            help="inverse strength of the regularisation, of linear heads and svm: "
            f"{LEAST_C:g} to {MOST_C:g}",
        )
    add_poolings(parser, "; beside sequences all but the mean, or none")
    add_folds(parser)
    parser.add_argument(
        "--axis",
        choices=AXES,
        help="what gru, attention and transformer go along (default: time where the cache has "
        "sequences, else the layers)",
    )
    parser.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        default=Options.normalize,
        help="features by the training part's mean and deviation; by each speaker's own, test "
        "speakers included; or not at all, neural heads only (default: %(default)s)",
    )
    parser.add_argument(
        "--balance", action="store_true", help="in training all classes weigh the same"
    )
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="N",
        help="choose in each training part among N settings, by folds of its speakers",
    )
    if seeds:
        parser.add_argument(
            "--seeds",
            type=int,
            default=1,
            metavar="N",
            help="fit each fold N times, from --seed on: mean and deviation",
        )
    add_seed(parser)
    training_options.add_arguments(parser)
    parser.add_argument(
        "--device", default=Options.device, help="of neural heads: cpu, cuda (default: %(default)s)"
    )


def add_head(parser: argparse.ArgumentParser) -> None:
    """Add ``--head``."""
    heads = "; ".join(f"{name}: {head.summary}" for name, head in HEADS.items())
    parser.add_argument(
        "--head",
        metavar="HEAD",
        default=Options.head,
        help=f"{heads}; or any class of scikit-learn's kind, as sklearn.naive_bayes:GaussianNB "
        "(default: %(default)s)",
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose utterances and their classes."""
    parser.add_argument(
        "--cache",
        type=Path,
        default=Options.cache,
        metavar="FILE",
        help="what 'python -m extract' wrote (default: %(default)s)",
    )
    parser.add_argument(
        "--corpus",
        dest="corpora",
        action="append",
        default=[],
        metavar="NAME",
        help="use only this corpus of the cache; may be repeated, or names joined by commas",
    )
    parser.add_argument(
        "--labels",
        help="'anger,sadness', 'happiness=happiness+excitement,anger', 'native', 'iemocap-4' or "
        "'ravdess-7' (default: every emotion of the shared vocabulary)",
    )


def add_poolings(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add ``--pooling``; `more` is said of what is taken if it is not given."""
    parser.add_argument(
        "--pooling",
        dest="poolings",
        type=split_one,
        default=(),
        metavar="NAMES",
        help=f"mean, std or max, joined by commas (default: all of the cache{more})",
    )


def add_folds(parser: argparse.ArgumentParser) -> None:
    """Add ``--folds``."""
    parser.add_argument(
        "--folds",
        type=_folds,
        default=Options.folds,
        metavar="auto|speaker|speaker+sentence|N|FILE",
        help="speaker: leave one speaker out; N: so many parts, no speaker in two of them; "
        "auto: by speaker up to 30 speakers, then 10; speaker+sentence: auto, and neither speaker "
        "nor sentence of the test in training; FILE: a CSV with the columns id and fold "
        "(default: %(default)s)",
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add ``--jobs``."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=-1,
        metavar="N",
        help="most processes (default: one a core)",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument(
        "--seed", type=int, default=Options.seed, metavar="N", help="(default: %(default)s)"
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1")
    return int(text)


def _layer(text: str) -> int | str:
    if text in ("mean", "mix"):
        return text
    return _whole_number(text, "expected a layer's number, mean or mix")


def _folds(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _whole_number(text: str, expected: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: {expected}")
    return int(text)


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
