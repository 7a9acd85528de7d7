"""``python -m data demo DIR``: write a small corpus of synthetic emotional speech."""

from collections.abc import Sequence
from pathlib import Path

from data.console import Parser, show


def parser() -> Parser:
    """The command line of ``python -m data demo``."""
    parser = Parser(
        prog="python -m data demo",
        description="Make a small corpus of synthetic emotional speech for trying the program.",
    )
    parser.add_argument("dir", metavar="DIR", type=Path, help="folder of the new corpus")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same bytes (%(default)s)"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Make the corpus and print the next command."""
    args = parser().arguments(argv)

    from data.demo import write

    recordings, seconds = write(args.dir, args.seed)
    show(
        f"{args.dir}: {recordings} synthetic recordings, {seconds / 60:.1f} minutes",
        f"next: python -m extract {args.dir} --model untrained",
    )
    return 0
