"""``python -m data pack CACHE [FILE…]``: merge caches and parts of one recipe into one file."""

from collections.abc import Sequence
from pathlib import Path

from data.console import Parser, log, show
from data.text import several


def parser() -> Parser:
    """The command line of ``python -m data pack``."""
    parser = Parser(
        prog="python -m data pack",
        description="Pack the shards of an unfinished extraction into CACHE, or merge other caches "
        "of the same recipe. If several contain an utterance, the newest is used.",
    )
    parser.add_argument("cache", type=Path, help="the file to make or to extend")
    parser.add_argument(
        "sources", nargs="*", type=Path, metavar="FILE", help="cache files or folders to merge"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Pack and print the number of utterances."""
    args = parser().arguments(argv)
    from data.cache.pack import pack
    from data.cache.refusals import errors_file

    count, refused = pack(args.cache, args.sources)
    show(f"{args.cache}: {several(count, 'utterance')}")
    if refused:
        log.warning(
            "refused %s: see %s", several(len(refused), "utterance"), errors_file(args.cache)
        )
    return 0
