"""``python -m classify compare``: compare heads under the same folds."""

import argparse
from collections.abc import Sequence

from classify.commands.arguments import add_scheduler
from classify.commands.studies import add_output, finish
from classify.compare.options import CompareOptions
from classify.evaluation.scheduling import scheduled
from classify.heads import Head, find
from data.console import SOME_REFUSED, Parser
from data.options import add_options, from_arguments


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify compare",
        description="Cross-validate several heads under the same folds and test which differences "
        "are more than chance: table here, files in the run's folder. An option that a head does "
        "not take is for the others.",
        epilog="exit status 3: some heads failed, and the others are compared",
    )
    add_options(parser, CompareOptions, without=["head", "C"])
    add_output(parser, "compare")
    add_scheduler(parser)
    return parser


def options_of(arguments: argparse.Namespace) -> CompareOptions:
    """Make `CompareOptions` from parsed arguments."""
    if arguments.heads:  # an option is valid if one of the heads takes it
        arguments.head = max(arguments.heads, key=lambda name: _takes(find(name)))
    return from_arguments(CompareOptions, arguments)


def _takes(head: Head) -> tuple[bool, ...]:
    """Number of options that a head takes."""
    return head.sequences, head.neural, head.random, head.balanced


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = options_of(arguments)

    from classify.compare.study import compare
    from classify.report import folder as run_folder
    from classify.report.compare import report

    run_folder.check(arguments.out)
    with scheduled(arguments.scheduler):
        comparison = compare(options)
    finish(report(comparison), arguments)
    return SOME_REFUSED if comparison.failed else 0
