"""``python -m data verify CACHE``: check every number and name of a cache."""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.console import Parser, common_options, configure_logging, show
from data.errors import CacheError, UsageError
from data.recipe import TOLERANCE

if TYPE_CHECKING:
    from data.cache import Cache
    from data.cache_file import CacheFile
    from data.utterance import Utterance


def parser() -> argparse.ArgumentParser:
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
        help="where the recordings of the sample are; may be given for each corpus",
    )  # fmt: skip
    parser.add_argument("--model", metavar="PATH", help="where the encoder is, if it has moved")
    parser.add_argument("--device", default="auto", help="for the sample (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="which sample (default: 0)")
    common_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Print every problem; 1 if there is one."""
    args = parser().parse_args(argv)
    configure_logging(args.verbose, args.quiet)
    if args.sample and not args.corpus_root:
        raise UsageError("--sample needs --corpus-root DIR, where the recordings are")
    from data.cache import Cache

    with Cache(args.cache) as cache:
        found = list(problems(cache))
        for problem in found:
            show(problem)
        if args.sample and not found:
            for problem in _compare(cache, args):
                found.append(problem)
                show(problem)
        if not found:
            datasets = sum(len(file.names) for file in cache.files)
            show(
                f"{cache.path}: sound ({len(cache)} utterances, {datasets} datasets in "
                f"{len(cache.files)} file{'s' * (len(cache.files) > 1)})"
            )
    return 1 if found else 0


def problems(cache: "Cache") -> Iterator[str]:
    """What is wrong with the files of a cache, one line each."""
    for file in cache.files:
        for problem in _file_problems(file):
            yield f"{file.path}: {problem}"


def _file_problems(file: "CacheFile") -> Iterator[str]:
    import numpy as np

    unlike = list(_unlike(file))
    yield from unlike
    if unlike:
        return
    damaged = set(file.damage())
    for name in sorted(damaged):
        yield f"{name} does not match its checksum"
    for name in sorted(set(file.names) - damaged):
        dtype = file.stored(name).dtype
        if name.startswith("utterances/") and dtype.kind == "S":
            for value in file.read_all(name).tolist():
                try:
                    value.decode()
                except UnicodeDecodeError:
                    yield f"{name} has text that is not UTF-8: {value!r}"
        elif name.startswith("baselines/") and not np.isfinite(file.read_all(name)).all():
            yield f"{name}: NaN or infinite"
        elif name.startswith("layers/"):
            for layer, number in enumerate(file.recipe["layers"]):
                if not np.isfinite(file.read(name, layer, 0, len(file))).all():
                    yield f"{name}, layer {number}: NaN or infinite"
        elif name == "sequences/values":
            for layer, number in enumerate(file.recipe["sequence_layers"]):
                if not np.isfinite(file.read(name, layer, 0, file.stored(name).shape[1])).all():
                    yield f"{name}, layer {number}: NaN or infinite"
    if "utterances/id" not in damaged:
        ids = file.ids
        if (ids[1:] == ids[:-1]).any():
            yield "utterances/id: not unique"
        if (ids[1:] < ids[:-1]).any():
            yield "utterances/id: not in order"
    if "sequences/offsets" in file.names and not damaged:
        try:
            fitting = bool((np.diff(file.offsets()) > 0).all())
        except CacheError:
            fitting = False
        if not fitting:
            yield "sequences/offsets: do not fit the values"


def _unlike(file: "CacheFile") -> Iterator[str]:
    """Datasets of another shape or type than the schema's."""
    try:
        names = file.names
    except CacheError as error:
        yield str(error).removeprefix(f"{file.path}: ")
        return
    for name in names:
        try:
            file.stored(name)
        except CacheError as error:
            yield str(error).removeprefix(f"{file.path}: ").removeprefix("damaged: ")


def _compare(cache: "Cache", args: argparse.Namespace) -> Iterator[str]:
    """Embed a sample again; yield what differs by more than the precision."""
    import numpy as np

    from extract.decoding import Refusal
    from extract.embed import Embedder  # the one place where data needs an encoder

    rows = np.random.default_rng(args.seed).permutation(len(cache))[: args.sample]
    sample = [_found(cache, int(row), args.corpus_root) for row in sorted(rows)]
    embedder = Embedder.from_recipe(cache.recipe, args.device, args.model)
    tolerance = TOLERANCE[cache.recipe["precision"]]
    worst = 0.0
    for result in embedder(sample):
        name = result.utterance.id
        if isinstance(result, Refusal):
            yield f"{name}: {result.reason}"
            continue
        expected = cache[name]  # (layer, dim)
        error = np.linalg.norm(result.layers[cache.poolings[0]] - expected, axis=1)
        relative = float((error / np.linalg.norm(expected, axis=1)).max())
        worst = max(worst, relative)
        if relative > tolerance:
            yield f"{name}: embedded again it differs by {relative:.1e} (expected < {tolerance:g})"
    show(f"{len(sample)} utterances embedded again: relative error at most {worst:.1e}")


def _found(cache: "Cache", row: int, roots: Sequence[Path]) -> "Utterance":
    """The utterance of a row, its recording found below one of `roots` by its checksum."""
    from data.utterance import Utterance
    from extract.audio import checksum

    told = cache.utterances.iloc[row]
    places = [root / told["path"] for root in roots]
    for root, place in zip(roots, places, strict=True):
        if place.is_file() and checksum(place) == told["sha256"]:
            start, end = (
                None if math.isnan(told[name]) else float(told[name]) for name in ("start", "end")
            )
            return Utterance(told["id"], told["corpus"], root, told["path"], start=start, end=end)
    state = "has changed since" if any(p.is_file() for p in places) else "is not there"
    raise UsageError(f"{told['id']}: its recording {told['path']} {state}; check --corpus-root")
