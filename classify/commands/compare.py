"""``python -m classify compare``: several heads under the same folds, and the best of them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classify.compare.options import CompareOptions, add_arguments
from classify.evaluation.scheduling import add_scheduler, scheduled
from data.console import SOME_REFUSED, Parser, common_options, configure_logging, show, show_json


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify compare",
        description="Cross-validate several heads under the same folds and test which differences "
        "are more than chance: table here, files in the run's folder. An option that a head does "
        "not take is for the others.",
        epilog="exit status 3: some heads failed, and the others are compared",
    )
    add_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the run's folder; one with an older run is overwritten (default: "
        "runs/<time>-compare)",
    )
    parser.add_argument("--json", action="store_true", help="print compare.json, not the table")
    add_scheduler(parser)
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = CompareOptions.from_arguments(arguments)

    from classify.compare.result import compare
    from classify.report import compare_text as table
    from classify.report import folder as run_folder
    from classify.report.compare_folder import write

    run_folder.check(arguments.out)
    with scheduled(arguments.scheduler):
        comparison = compare(options)
    folder = write(comparison, arguments.out)
    if arguments.json:
        show_json(comparison.metrics, indent=2)
    else:
        show(table.render(comparison.metrics, comparison.seconds))
        show("", f"report  {folder / 'report.html'}")
    return SOME_REFUSED if comparison.study.failed else 0
