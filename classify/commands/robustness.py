"""``python -m classify robustness``: test in degraded speech."""

from collections.abc import Sequence

from classify.commands.studies import add_output, finish
from classify.robustness.options import RobustnessOptions
from data.console import Parser
from data.options import add_options, from_arguments


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify robustness",
        description="Train on clean speech of some speakers and test in all conditions of the "
        "others, which 'python -m extract --degrade' has added to the cache. Prints scores by "
        "condition; files in the run's folder.",
    )
    add_options(parser, RobustnessOptions)
    add_output(parser, "robustness")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(RobustnessOptions, arguments)

    from classify.report import folder as run_folder
    from classify.report.robustness import report
    from classify.robustness.study import robustness

    run_folder.check(arguments.out)
    found = robustness(options)
    finish(report(found), arguments)
    return 0
