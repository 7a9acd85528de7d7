"""What decides a head's scores: the cache, the classes, the layers, the folds, the seed."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classify.heads import HEADS
from data.errors import UsageError

EMOTION_TARGETS = ("emotion", "emotion_perceived")  # the columns that --labels maps


@dataclass(frozen=True)
class Options:
    """Everything that a user may choose; verified once, here."""

    head: str = "mlp"
    cache: Path = Path("embeddings.h5")
    corpora: tuple[str, ...] = ()  # none: all of the cache
    labels: str | None = None  # see data.emotions.parse_labels; None: the shared vocabulary
    target: str = "emotion"  # a column of the cache; several numeric ones joined by commas
    layer: int | str | None = None  # a layer, "mean" or "mix"; None: as the head does best
    poolings: tuple[str, ...] = ()  # concatenated; none: all of the cache
    folds: int | str = "auto"  # "auto", "speaker", "speaker+sentence" or a number
    epochs: int | None = None  # passes of a neural head over its training part; None: its own
    seed: int = 0

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise UsageError(f"no head {self.head!r}: choose from {', '.join(HEADS)}")
        if self.layer == "mix" and not HEADS[self.head].neural:
            able = ", ".join(name for name, head in HEADS.items() if head.neural)
            raise UsageError(
                f"--head {self.head} cannot weigh layers: use --layer mean or a number, or one of "
                f"the heads {able}"
            )
        if self.epochs is not None and not HEADS[self.head].neural:
            raise UsageError(f"--epochs is for neural heads; {self.head} has none")
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"--epochs {self.epochs}: expected 1 or more")
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

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that ``--target`` names."""
        return split_one(self.target)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "Options":
        """Options from what `add_arguments` parsed."""
        given = vars(arguments)
        chosen = {name: given[name] for name in cls.__dataclass_fields__ if name in given}
        return cls(**{**chosen, "corpora": split_names(chosen["corpora"])})

    def as_json(self) -> dict[str, Any]:
        """What decides the numbers, without the place where the cache lies."""
        values = asdict(self)
        del values["cache"]
        return values


def add_arguments(parser: argparse.ArgumentParser, folds: bool = True, head: bool = True) -> None:
    """Add the options that choose a head and what it sees; `folds`: and how it is tested.

    Without `head`, which heads there are is asked for elsewhere.
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
    add_poolings(parser)
    if folds:
        add_folds(parser)
    parser.add_argument("--epochs", type=int, metavar="N", help="of neural heads (default: 30)")
    add_seed(parser)


def add_head(parser: argparse.ArgumentParser) -> None:
    """Add ``--head``."""
    heads = "; ".join(f"{name}: {head.summary}" for name, head in HEADS.items())
    parser.add_argument(
        "--head", choices=tuple(HEADS), default=Options.head, help=f"{heads} (default: %(default)s)"
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


def add_poolings(parser: argparse.ArgumentParser) -> None:
    """Add ``--pooling``."""
    parser.add_argument(
        "--pooling",
        dest="poolings",
        type=split_one,
        default=(),
        metavar="NAMES",
        help="mean, std or max, joined by commas (default: all of the cache)",
    )


def add_folds(parser: argparse.ArgumentParser) -> None:
    """Add ``--folds``."""
    parser.add_argument(
        "--folds",
        type=_folds,
        default=Options.folds,
        metavar="auto|speaker|speaker+sentence|N",
        help="speaker: leave one speaker out; N: so many parts, no speaker in two of them; "
        "auto: by speaker up to 30 speakers, then 10; speaker+sentence: auto, and neither speaker "
        "nor sentence of the test in training (default: %(default)s)",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument(
        "--seed", type=int, default=Options.seed, metavar="N", help="(default: %(default)s)"
    )


def _layer(text: str) -> int | str:
    if text in ("mean", "mix"):
        return text
    return _whole_number(text, "expected a layer's number, mean or mix")


def _folds(text: str) -> int | str:
    if text in ("auto", "speaker", "speaker+sentence"):
        return text
    return _whole_number(text, "expected auto, speaker, speaker+sentence or a number")


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
