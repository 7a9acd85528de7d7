"""Options that several commands of ``python -m classify`` share."""

import argparse
from pathlib import Path

from classify.heads import HEADS, LEAST_C, MOST_C
from classify.options import AXES, NORMALIZATIONS, Options, split_names, split_one
from classify.training_options import SETTINGS, TrainingOptions, flag
from data import scheduler


def options(arguments: argparse.Namespace) -> Options:
    """Make `Options` from arguments that `add_arguments` has added."""
    given = vars(arguments)
    chosen = {name: given[name] for name in Options.__dataclass_fields__ if name in given}
    training = TrainingOptions(**{name: given[name] for name in SETTINGS})
    corpora = split_names(chosen["corpora"])
    return Options(**{**chosen, "corpora": corpora, "training": training})


def add_arguments(parser: argparse.ArgumentParser, seeds: bool = True, head: bool = True) -> None:
    """Add the options for head, features and folds.

    Without `seeds`, there is no ``--seeds``; without `head`, there is no ``--head``.
    """
    default = Options()
    if head:
        add_head(parser)
    add_selection(parser)
    parser.add_argument(
        "--target",
        default=default.target,
        metavar="COLUMN",
        help="column to predict: emotion_perceived, sex, or any other column of the cache; "
        "numeric columns, such as arousal,valence, are regressed (default: %(default)s)",
    )
    add_layer(parser)
    if head:
        add_C(parser)
    add_poolings(parser, "; with sequences all but the mean, or none")
    add_folds(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with status 1 if a speaker, a recording or a sentence is in training and test",
    )
    parser.add_argument(
        "--axis",
        choices=AXES,
        help="sequence axis of gru, attention and transformer (default: time if the cache has "
        "sequences, else layer)",
    )
    parser.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        default=Options.normalize,
        help="standardise features by the training part; by each speaker's own recordings, test "
        "speakers included; or not at all, for neural heads (default: %(default)s)",
    )
    parser.add_argument(
        "--balance", action="store_true", help="weight all classes equally in training"
    )
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="N",
        help="choose among N settings in each training part, by inner folds of speakers",
    )
    if seeds:
        parser.add_argument(
            "--seeds",
            type=int,
            default=1,
            metavar="N",
            help="fit each fold N times with the seeds from --seed on; print mean and deviation",
        )
    add_seed(parser)
    _add_training(parser)
    parser.add_argument(
        "--device",
        default=Options.device,
        help="device of neural heads: cpu or cuda (default: %(default)s)",
    )


def add_head(parser: argparse.ArgumentParser) -> None:
    """Add ``--head``."""
    heads = "; ".join(f"{name}: {head.summary}" for name, head in HEADS.items())
    parser.add_argument(
        "--head",
        metavar="HEAD",
        default=Options.head,
        help=f"{heads}; or any class with scikit-learn's interface, such as "
        "sklearn.naive_bayes:GaussianNB (default: %(default)s)",
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose utterances and their classes."""
    parser.add_argument(
        "--cache",
        type=Path,
        default=Options.cache,
        metavar="FILE",
        help="cache written by 'python -m extract' (default: %(default)s)",
    )
    add_corpora(parser)
    add_labels(parser)


def add_corpora(parser: argparse.ArgumentParser) -> None:
    """Add ``--corpus``."""
    parser.add_argument(
        "--corpus",
        dest="corpora",
        action="append",
        default=[],
        metavar="NAME",
        help="use only these corpora of the cache; names joined by commas, or repeat the option",
    )


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add ``--labels``."""
    parser.add_argument(
        "--labels",
        help="'anger,sadness', 'happiness=happiness+excitement,anger', 'native', or a protocol: "
        "big4, arousal, valence, iemocap-4, ravdess-7 (default: every emotion of the shared "
        "vocabulary)",
    )


def add_layer(parser: argparse.ArgumentParser) -> None:
    """Add ``--layer``."""
    parser.add_argument(
        "--layer",
        type=_layer,
        metavar="N|mean|mix|NAME",
        help="one hidden layer, the mean of all layers, a learned mix of all layers, or a baseline "
        "of the cache, such as logmel or egemaps (default: mix for neural heads, mean for others)",
    )


def add_C(parser: argparse.ArgumentParser) -> None:
    """Add ``--C``."""
    parser.add_argument(
        "--C",
        type=float,
        metavar="C",
        help="inverse strength of the regularisation of linear heads and svm, from "
        f"{LEAST_C:g} to {MOST_C:g}",
    )


def add_poolings(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add ``--pooling``; `more` describes the default."""
    parser.add_argument(
        "--pooling",
        dest="poolings",
        type=split_one,
        default=(),
        metavar="NAMES",
        help=f"mean, std or max, joined by commas (default: all in the cache{more})",
    )


def add_folds(parser: argparse.ArgumentParser) -> None:
    """Add ``--folds``."""
    parser.add_argument(
        "--folds",
        type=_folds,
        default=Options.folds,
        metavar="auto|speaker|speaker+sentence|N|FILE|column:NAME|iemocap-session",
        help="speaker: leave one speaker out; N: N folds grouped by speaker; auto: speaker for up "
        "to 30 speakers, else 10; speaker+sentence: as auto, without the tested sentences in "
        "training; FILE: a CSV with the columns id or file, and fold or part, or the files of "
        "EmoBox or EMO-SUPERB, or a folder of them; column:NAME: the same of a column of the "
        "cache; iemocap-session: leave one session out (default: %(default)s)",
    )
    parser.add_argument(
        "--repair",
        type=split_one,
        default=(),
        metavar="NAMES",
        help="drop from each training part what shares a speaker, a recording or a sentence with "
        "its test part: one or more of these, joined by commas",
    )


def add_schemes(parser: argparse.ArgumentParser) -> None:
    """Add ``--folds`` for folds that are made here."""
    parser.add_argument(
        "--folds",
        type=_folds,
        default=Options.folds,
        metavar="auto|speaker|speaker+sentence|N",
        help="folds within a corpus, as in 'python -m classify' (default: %(default)s)",
    )


def add_allow_heard(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow-heard``."""
    parser.add_argument(
        "--allow-heard",
        action="store_true",
        help="test also on recordings and speakers that the encoder was trained on; all results "
        "are marked",
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add ``--jobs``."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=-1,
        metavar="N",
        help="maximum number of processes (default: the number of cores)",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument(
        "--seed",
        type=int,
        default=Options.seed,
        metavar="N",
        help="random seed (default: %(default)s)",
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1")
    return int(text)


def _layer(text: str) -> int | str:
    if text.isidentifier():
        return text
    return _whole_number(text, "expected a layer's number, mean, mix, or a baseline's name")


def _folds(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _whole_number(text: str, expected: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: {expected}")
    return int(text)


def _add_training(parser: argparse.ArgumentParser) -> None:
    """Add the options of neural heads."""
    group = parser.add_argument_group("neural heads")
    for name, about in SETTINGS.items():
        metavar = "N" if about.kind is int else "A" if name == "mixup" else "X"
        group.add_argument(flag(name), type=about.kind, metavar=metavar, help=about.help)


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """Add ``--scheduler``."""
    parser.add_argument("--scheduler", type=scheduler.parse, metavar="ADDRESS", help=scheduler.HELP)
