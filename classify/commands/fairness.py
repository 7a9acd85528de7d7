"""``python -m classify fairness``: compare groups of speakers."""

import argparse
from collections.abc import Sequence

from classify.commands import arguments as shared
from classify.commands.studies import add_output, finish
from classify.evaluation.scheduling import scheduled
from classify.fairness.options import FairnessOptions, parse_cut
from classify.options import split_one
from data.console import Parser, common_options, configure_logging, importing


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify fairness",
        description="Cross-validate a head and compare groups of speakers, such as by sex or age: "
        "scores, recalls and calibration with intervals and corrected tests. Prints tables; files "
        "in the run's folder.",
    )
    parser.add_argument(
        "--by",
        type=split_one,
        default=(),
        metavar="COLUMNS",
        help="columns of the cache whose values are groups, joined by commas (default: those of "
        "sex, age, language, accent, dialect, ethnicity and the like that have two values)",
    )
    parser.add_argument(
        "--cut",
        dest="cuts",
        type=_cut,
        action="append",
        default=[],
        metavar="COLUMN=N,…",
        help="begin a group of a column of numbers at each of these; repeat it for other columns "
        "(default: age=18,30,45,60)",
    )
    shared.add_arguments(parser)
    shared.add_allow_heard(parser)
    add_output(parser, "fairness", "tables")
    shared.add_jobs(parser)
    shared.add_scheduler(parser)
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = FairnessOptions(shared.options(arguments), arguments.by, dict(arguments.cuts))

    from classify.report import folder as run_folder

    run_folder.check(arguments.out)
    with importing():
        from classify.fairness.study import study
        from classify.report import fairness_text
        from classify.report.write import of_fairness

    with scheduled(arguments.scheduler):
        found = study(options, arguments.jobs)
    finish(of_fairness(found), arguments, lambda: fairness_text.render(found))
    return 0


def _cut(text: str) -> tuple[str, tuple[float, ...]]:
    try:
        return parse_cut(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
