"""``python -m classify train``: fit one head on everything in a cache and save it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from classify.options import Options, add_arguments
from data.console import common_options, configure_logging


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m classify train",
        description="Fit one head on everything that is chosen and save it. What it is worth on "
        "new speakers, 'python -m classify' tells with the same options.",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="MODEL",
        help="the model's folder; an older model in it is overwritten",
    )
    add_arguments(parser, folds=False)
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    options = Options.from_arguments(arguments)

    from classify import model

    model.check(arguments.out)
    trained = model.train(options)
    trained.save(arguments.out)
    counts = ", ".join(f"{name} {count}" for name, count in trained.card["support"].items())
    print(f"head      {options.head}, {trained.features}")
    print(f"encoder   {trained.encoder}")
    print(f"{'targets' if trained.targets else 'classes'}   {counts}")
    print(f"model     {arguments.out}")
    return 0
