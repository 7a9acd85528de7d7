"""``python -m data verify CACHE``: check a cache; with ``--sample``, also embed utterances again.

It is in this package because `data` does not import `extract`.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.console import Parser, show
from data.errors import UsageError

if TYPE_CHECKING:
    from data.cache import Cache


def parser() -> Parser:
    """The command line of ``python -m data verify``."""
    parser = Parser(
        prog="python -m data verify",
        description="Check every checksum, id, number and offset of a cache.",
    )
    parser.add_argument("cache", type=Path, help="a cache file, or a folder of cache files")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="embed N utterances again and compare"
    )
    parser.add_argument(
        "--corpus-root", type=Path, action="append", default=[], metavar="DIR",
        help="folder of the recordings of the sample; may be given for each corpus",
    )  # fmt: skip
    parser.add_argument("--noise", type=Path, metavar="DIR", help="folder of recordings of the "
        "conditions of noise")  # fmt: skip
    parser.add_argument("--model", metavar="PATH", help="folder of the encoder, if it has moved")
    parser.add_argument("--device", default="auto", help="for the sample (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (default: 0)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Print all problems; return 1 if there are any."""
    args = parser().arguments(argv)
    if args.sample and not args.corpus_root:
        raise UsageError("--sample needs --corpus-root DIR, the folder of the recordings")
    from data.cache import Cache
    from data.cache.verify import problems

    with Cache(args.cache, degraded=True) as cache:
        defects = list(problems(cache))
        for defect in defects:
            show(defect)
        if args.sample and not defects:
            for defect in _sample_problems(cache, args):
                defects.append(defect)
                show(defect)
        if not defects:
            datasets = sum(len(file.names) for file in cache.files)
            show(
                f"{cache.path}: sound ({len(cache)} utterances, {datasets} datasets in "
                f"{len(cache.files)} file{'s' * (len(cache.files) > 1)})"
            )
    return 1 if defects else 0


def _sample_problems(cache: "Cache", args: argparse.Namespace) -> Iterator[str]:
    """Embed a sample again; yield the utterances that differ by more than the tolerance."""
    from data.cache.recipe import TOLERANCE
    from extract.reembed import relative_errors, sample

    utterances = sample(cache, args.sample, args.corpus_root, args.seed, args.noise)
    tolerance, worst = TOLERANCE[cache.recipe["precision"]], 0.0
    for name, error in relative_errors(cache, utterances, args.device, args.model):
        if isinstance(error, str):
            yield f"{name}: {error}"
            continue
        worst = max(worst, error)
        if error > tolerance:
            yield f"{name}: embedded again, it differs by {error:.1e} (expected < {tolerance:g})"
    show(f"{len(utterances)} utterances embedded again: relative error at most {worst:.1e}")
