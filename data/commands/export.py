"""``python -m data export SOURCE -o PATH``: export caches and corpora for other programs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data.commands.corpora import add_reading, read
from data.console import Parser, show
from data.errors import UsageError
from data.text import several

FORMATS = ("audformat", "huggingface", "lhotse")  # of utterances, see `data.interchange`


def parser() -> Parser:
    """The command line of ``python -m data export``."""
    parser = Parser(
        prog="python -m data export",
        description="Write a cache as .npz, as .parquet, or as a Hugging Face data set (a folder); "
        "or write the utterances of a cache or of corpora for other programs, by --format.",
    )
    add = parser.add_argument
    add("sources", nargs="+", type=Path, metavar="SOURCE", help="a cache file, or a folder of "
        "cache files; with --format also a corpus, or several")  # fmt: skip
    add("-o", "--out", type=Path, required=True, metavar="PATH", help="FILE.npz, FILE.parquet, or "
        "a folder")  # fmt: skip
    add("--format", choices=FORMATS, help="write utterances and labels, without embeddings")
    add("--degraded", action="store_true", help="also the utterances of all conditions, without "
        "--format")  # fmt: skip
    add("--copy", action="store_true", help="copy the recordings into the folder of --format "
        "(default: write their absolute paths)")  # fmt: skip
    add("--corpus-root", type=Path, action="append", default=[], metavar="DIR", help="folder of "
        "the recordings of a cache, for --format; may be given for each corpus")  # fmt: skip
    add_reading(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Export in the format of the suffix, or of ``--format``."""
    args = parser().arguments(argv)
    if args.format:
        if args.degraded:
            raise UsageError("--degraded with --format: there are no recordings of conditions")
        return _utterances(args)
    if len(args.sources) > 1 or args.copy or args.corpus_root:
        raise UsageError(
            f"several sources, --copy and --corpus-root need --format {'|'.join(FORMATS)}"
        )
    from data.cache import Cache
    from data.cache.export import export

    with Cache(args.sources[0], degraded=args.degraded) as cache:
        export(cache, args.out)
        show(f"{args.out}: {len(cache)} utterances × {len(cache.layers)} layers")
    return 0


def _utterances(args: argparse.Namespace) -> int:
    from data import interchange
    from data.cache import Cache
    from data.cache.described import utterances

    found = []
    caches = [source for source in args.sources if _is_cache(source)]
    if caches and not args.corpus_root:
        raise UsageError(f"{caches[0]}: a cache; --corpus-root DIR names the folder of recordings")
    for source in caches:
        with Cache(source) as cache:
            found += utterances(cache, args.corpus_root)
    args.corpora = [source for source in args.sources if source not in caches]
    found += [utterance for corpus in read(args, False) for utterance in corpus.utterances]
    interchange.write(args.out, args.format, found, args.copy, args.quiet)
    show(f"{args.out}: {several(len(found), 'utterance')}")
    return 0


def _is_cache(path: Path) -> bool:
    return path.suffix == ".h5" or (path.is_dir() and any(path.glob("*.h5")))
