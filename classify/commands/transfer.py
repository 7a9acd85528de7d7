"""``python -m classify transfer``: train on one corpus, test on another."""

from collections.abc import Sequence

from classify.commands.studies import add_output, finish
from classify.transfer.options import TransferOptions
from data.console import Parser
from data.options import add_options, from_arguments


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify transfer",
        description="Train on each corpus of a cache and test on each other one; within a corpus, "
        "folds are speaker-independent. Prints the matrix; files in the run's folder.",
    )
    add_options(parser, TransferOptions)
    add_output(parser, "transfer", "matrix")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    options = from_arguments(TransferOptions, arguments)

    from classify.report import folder as run_folder
    from classify.report.transfer import report
    from classify.transfer.study import transfer

    run_folder.check(arguments.out)
    found = transfer(options)
    finish(report(found), arguments)
    return 0
