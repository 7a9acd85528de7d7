"""``python -m classify``: cross-validate a head on a cache."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classify.commands import COMMANDS
from classify.commands.arguments import add_jobs, add_scheduler
from classify.evaluation.scheduling import scheduled
from classify.heads import HEADS, find
from classify.options import Options
from data.console import Parser, importing, show, show_json
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
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the run; an older run in it is overwritten (default: runs/<time>-<head>)",
    )
    parser.add_argument(
        "--attention",
        metavar="ID",
        help="draw the attention to this utterance (default: the most probable of each class)",
    )
    parser.add_argument("--json", action="store_true", help="print metrics.json, not the table")
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
        from classify.report import run_text
        from classify.report.write import of_run, write

    with scheduled(arguments.scheduler):
        run = evaluate(options, arguments.jobs)
    fairness = study.of_run(run)
    folder = write(of_run(run, arguments.attention, fairness), arguments.out)
    if arguments.json:
        show_json(run.metrics, indent=2)
    else:
        show(run_text.render(run, fairness), "")
        figure = "confusion" if run.dataset.classes else "predictions"
        name = "confusion matrix" if run.dataset.classes else figure
        show(f"{name}  {folder / figure}.png")
        show(f"{'report':{len(name)}}  {folder / 'report.html'}")
    return 0
