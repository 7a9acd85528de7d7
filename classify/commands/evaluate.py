"""``python -m classify``: cross-validate a head on a cache."""

import argparse
from collections.abc import Sequence

from classify.commands import COMMANDS
from classify.commands.arguments import add_jobs, add_scheduler
from classify.commands.studies import add_output, finish
from classify.evaluation.scheduling import scheduled
from classify.heads import HEADS, find
from classify.options import Options
from data.console import Parser, importing
from data.errors import UsageError
from data.options import add_options, from_arguments


def parser() -> Parser:
    """The command's options."""
    others = "\n".join(f"  {name:9} {line}" for name, (_, line) in COMMANDS.items() if name)
    parser = Parser(
        prog="python -m classify",
        description="Cross-validate a head on cached embeddings: table here, files in the run's "
        "folder.",
        epilog=f"other commands:\n{others}\n\n'python -m classify COMMAND --help' lists the "
        "options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, Options)
    add_output(parser, "<head>", result="metrics")
    parser.add_argument(
        "--attention",
        metavar="ID",
        help="draw the attention to this utterance (default: the most probable of each class)",
    )
    add_jobs(parser)
    add_scheduler(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(Options, arguments)

    from classify.report import folder as run_folder

    run_folder.check(arguments.out)
    if arguments.attention and not find(options.head).attends:
        able = ", ".join(name for name, head in HEADS.items() if head.attends)
        raise UsageError(f"--attention: {options.head} attends to nothing; these do: {able}")

    with importing():
        from classify.evaluation.run import evaluate
        from classify.fairness import study
        from classify.report.run import report

    with scheduled(arguments.scheduler):
        run = evaluate(options, arguments.jobs)
    fairness = study.of_run(run)
    figure = ("confusion matrix", "confusion.png")
    if not run.dataset.classes:
        figure = ("predictions", "predictions.png")
    finish(report(run, fairness, arguments.attention), arguments, [figure])
    return 0
