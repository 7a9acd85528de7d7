"""``python -m classify robustness``: test in degraded speech."""

import argparse
from collections.abc import Sequence

from classify.commands import arguments as shared
from classify.commands.studies import add_output, finish
from classify.options import split_names, split_one
from classify.robustness.options import RobustnessOptions
from data.console import Parser, common_options, configure_logging


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    default = RobustnessOptions()
    parser = Parser(
        prog="python -m classify robustness",
        description="Train on clean speech of some speakers and test in all conditions of the "
        "others, which 'python -m extract --degrade' has added to the cache. Prints scores by "
        "condition; files in the run's folder.",
    )
    shared.add_selection(parser)
    parser.add_argument(
        "--target",
        default=default.target,
        metavar="COLUMN",
        help="column of classes to predict (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        type=split_one,
        default=(),
        metavar="CONDITIONS",
        help="test only in these conditions, by names or kinds joined by commas, such as "
        "telephone,noise (default: all)",
    )
    parser.add_argument(
        "--train-on",
        type=split_one,
        action="append",
        default=[],
        metavar="CONDITIONS",
        help="also train on copies of the training speakers in these conditions, beside clean "
        "speech: names or kinds joined by commas, or all; repeat it for several sets",
    )
    parser.add_argument(
        "--heads",
        type=split_one,
        default=default.heads,
        metavar="NAMES",
        help="heads as in 'python -m classify', joined by commas (default: logreg)",
    )
    shared.add_layer(parser)
    shared.add_C(parser)
    shared.add_poolings(parser)
    shared.add_folds(parser)
    parser.add_argument("--no-curves", action="store_true", help="do not score every layer")
    shared.add_seed(parser)
    shared.add_allow_heard(parser)
    add_output(parser, "robustness")
    common_options(parser)
    return parser


def options_of(arguments: argparse.Namespace) -> RobustnessOptions:
    """Make `RobustnessOptions` from parsed arguments."""
    given = vars(arguments)
    chosen = {name: given[name] for name in RobustnessOptions.__dataclass_fields__ if name in given}
    more = {"corpora": split_names(arguments.corpora), "train_on": tuple(arguments.train_on),
            "curves": not arguments.no_curves}  # fmt: skip
    return RobustnessOptions(**{**chosen, **more})


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = options_of(arguments)

    from classify.report import folder as run_folder
    from classify.report import robustness_text
    from classify.report.write import of_robustness
    from classify.robustness.study import robustness

    run_folder.check(arguments.out)
    found = robustness(options)
    finish(of_robustness(found), arguments, lambda: robustness_text.render(found))
    return 0
