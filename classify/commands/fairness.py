"""``python -m classify fairness``: compare groups of speakers."""

from collections.abc import Sequence

from classify.commands.arguments import add_jobs, add_scheduler
from classify.commands.studies import add_output, finish
from classify.evaluation.scheduling import scheduled
from classify.fairness.options import FairnessOptions
from data.console import Parser, importing
from data.options import add_options, from_arguments


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify fairness",
        description="Cross-validate a head and compare groups of speakers, such as by sex or age: "
        "scores, recalls and calibration with intervals and corrected tests. Prints tables; files "
        "in the run's folder.",
    )
    add_options(parser, FairnessOptions)
    add_output(parser, "fairness", "tables")
    add_jobs(parser)
    add_scheduler(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(FairnessOptions, arguments, cuts=dict(arguments.cuts))

    from classify.report import folder as run_folder

    run_folder.check(arguments.out)
    with importing():
        from classify.fairness.study import study
        from classify.report.fairness import report

    with scheduled(arguments.scheduler):
        found = study(options, arguments.jobs)
    finish(report(found), arguments)
    return 0
