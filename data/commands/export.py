"""``python -m data export CACHE -o PATH``: export a cache for other programs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data.console import Parser, common_options, configure_logging, show


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m data export``."""
    parser = Parser(
        prog="python -m data export",
        description="Write a cache as .npz, as .parquet, or as a Hugging Face data set (a folder).",
    )
    parser.add_argument("cache", type=Path, help="a cache file, or a folder of cache files")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="PATH",
        help="FILE.npz, FILE.parquet, or a folder",
    )  # fmt: skip
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Export a cache in the format of the suffix."""
    args = parser().parse_args(argv)
    configure_logging(args.verbose, args.quiet)
    from data.cache import Cache
    from data.cache.export import export

    with Cache(args.cache) as cache:
        export(cache, args.out)
        show(f"{args.out}: {len(cache)} utterances × {len(cache.layers)} layers")
    return 0
