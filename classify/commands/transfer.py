"""``python -m classify transfer``: train on one corpus, test on another."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classify.commands import arguments as shared
from classify.commands.studies import add_output, finish
from classify.options import split_names, split_one
from classify.transfer.options import ADAPTATIONS, TransferOptions
from data.console import Parser, common_options, configure_logging


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    default = TransferOptions()
    parser = Parser(
        prog="python -m classify transfer",
        description="Train on each corpus of a cache and test on each other one; within a corpus, "
        "folds are speaker-independent. Prints the matrix; files in the run's folder.",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        action="append",
        metavar="FILE",
        help="cache of several corpora; repeat it to compare encoders on the same utterances "
        f"(default: {default.caches[0]})",
    )
    parser.add_argument(
        "--by",
        default=default.by,
        metavar="COLUMN",
        help="train and test on the values of this column: corpus, language, or any other "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        type=split_one,
        default=(),
        metavar="NAMES",
        help="use only these values of --by, joined by commas, such as de,en",
    )
    shared.add_corpora(parser)
    shared.add_labels(parser)
    parser.add_argument(
        "--heads",
        type=split_one,
        default=default.heads,
        metavar="NAMES",
        help="heads as in 'python -m classify', joined by commas; others are compared with the "
        "first (default: logreg)",
    )
    shared.add_layer(parser)
    shared.add_C(parser)
    shared.add_poolings(parser)
    shared.add_schemes(parser)
    parser.add_argument(
        "--normalize",
        choices=["corpus"],
        help="also with features standardised by each corpus, the tested one included: it looks at "
        "all tested features, not at their labels",
    )
    parser.add_argument(
        "--adapt",
        type=split_one,
        default=(),
        metavar="NAMES",
        help=f"also with {' or '.join(ADAPTATIONS)}, joined by commas; prior: class shares of the "
        "tested corpus by EM (Saerens et al. 2002); coral: covariance aligned with the tested "
        "corpus (Sun et al. 2016); both look at all tested features, not at their labels",
    )
    parser.add_argument(
        "--balance",
        choices=["corpus"],
        help="also with all corpora of a training part weighted alike; looks at no test data",
    )
    parser.add_argument("--no-curves", action="store_true", help="do not score every layer")
    shared.add_seed(parser)
    shared.add_allow_heard(parser)
    add_output(parser, "transfer", "matrix")
    common_options(parser)
    return parser


def options_of(arguments: argparse.Namespace) -> TransferOptions:
    """Make `TransferOptions` from parsed arguments."""
    return TransferOptions(
        caches=tuple(arguments.cache or TransferOptions().caches),
        by=arguments.by,
        only=arguments.only,
        corpora=split_names(arguments.corpora),
        labels=arguments.labels,
        heads=arguments.heads,
        layer=arguments.layer,
        C=arguments.C,
        poolings=arguments.poolings,
        folds=arguments.folds,
        normalize=arguments.normalize is not None,
        adapt=arguments.adapt,
        balance=arguments.balance is not None,
        curves=not arguments.no_curves,
        seed=arguments.seed,
        allow_heard=arguments.allow_heard,
    )


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = options_of(arguments)

    from classify.report import folder as run_folder
    from classify.report import transfer_text
    from classify.report.write import of_transfer
    from classify.transfer.study import transfer

    run_folder.check(arguments.out)
    found = transfer(options)
    finish(of_transfer(found), arguments, lambda: transfer_text.render(found))
    return 0
