"""``python -m extract CORPUS…``: embed recordings once, all layers, into one cache."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from data import scheduler
from data.commands.corpora import add_reading, read
from data.condition import clean_id
from data.console import SOME_REFUSED, Parser, Print, log, show, show_json
from data.errors import UsageError
from data.options import add_options, from_arguments
from data.recording import MAX_SECONDS
from data.text import several
from extract import DEFAULT_MODEL, extract
from extract.commands import encoders
from extract.commands.conditions import add_conditions, with_conditions
from extract.parallel.paths import parse_prefix, placed
from extract.recipe import Request
from extract.tuned import Tuned

if TYPE_CHECKING:
    from data.corpora import Corpus
    from data.utterance import Utterance
    from extract.parallel.shards import Part, Share
    from extract.pipeline import Settings
    from extract.summary import Summary

Result = TypeVar("Result")

SHOWN = 5  # number of refusals that are printed


def parser() -> Parser:
    """The command line of ``python -m extract``."""
    parser = Parser(
        prog="python -m extract",
        description="Embed every recording of the corpora once, all layers, into one cache. "
        "Run it again to continue after an interruption, or to add new recordings.",
        epilog="other commands: 'python -m extract finetune --help' fine-tunes an encoder, 'python "
        "-m extract annotate --help' records what an encoder was trained on.",
    )
    add = parser.add_argument
    add("corpora", nargs="+", metavar="CORPUS",
        help="a folder, a table, or a list of 'data scan -o'")  # fmt: skip
    add("-o", "--out", type=Path, default=Path("embeddings.h5"), metavar="CACHE",
        help="cache to make or extend (default: %(default)s)")  # fmt: skip
    add(
        "--model",
        default=DEFAULT_MODEL,
        help="name on the Hugging Face hub, folder, folder of 'extract finetune', or "
        "'untrained[:large|:small|:tiny]', a control with random weights (default: %(default)s)",
    )
    add_options(parser, Request)
    add("--shard", metavar="K/N", help="embed the K-th of N parts, as one of N tasks on "
        "machines that share the cache; the last task packs it")  # fmt: skip
    add("--audio-prefix", action="append", default=[], metavar="OLD=NEW", help="read recordings "
        "below OLD from NEW on this machine (may be repeated)")  # fmt: skip
    add_reading(parser)
    add("--list-encoders", action=Print, const=encoders.table, nargs=0,
        help="print the architectures that are read, and exit")  # fmt: skip
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    add("--batch-seconds", type=float, metavar="S",
        help="padded audio of one batch (default: depends on the hardware)")  # fmt: skip
    add("--max-seconds", type=float, default=MAX_SECONDS, metavar="S",
        help="refuse longer utterances (default: %(default)g)")  # fmt: skip
    add("--jobs", type=int, default=min(8, os.cpu_count() or 1), metavar="N",
        help="threads that decode (default: %(default)s)")  # fmt: skip
    add("--scheduler", type=scheduler.parse, metavar="ADDRESS", help=scheduler.HELP)
    add("--worker-resource", metavar="NAME", help="use only Dask workers that announce it "
        "(default: GPU, if a worker announces it)")  # fmt: skip
    add("--worker-wait", type=float, default=scheduler.WORKER_SECONDS, metavar="S",
        help="seconds within which a first worker must connect (default: %(default)g)")  # fmt: skip
    add("--worker-timeout", type=float, default=scheduler.STALL_SECONDS, metavar="S",
        help="seconds without a finished chunk after which the chunks of busy workers go to "
        "other workers (default: %(default)g)")  # fmt: skip
    add_conditions(parser)
    add("--prune", action="store_true", help="remove utterances that are no longer in their corpus")
    add("--dry-run", action="store_true", help="only count the utterances to embed")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    args = parser().arguments(argv)
    request = from_arguments(Request, args)
    seconds = (args.batch_seconds, args.max_seconds)
    if not all(value is None or 0 < value < float("inf") for value in seconds) or args.jobs < 1:
        raise UsageError("--batch-seconds, --max-seconds and --jobs must be above 0, and finite")
    tuned = Tuned.of(args.model)
    if not args.out.name or (args.out.is_dir() and not tuned):
        raise UsageError(f"-o {args.out}: expected the name of a file, such as embeddings.h5")
    if tuned and (args.out.is_file() or args.shard or args.scheduler):
        raise UsageError(
            f"--model {args.model} has an encoder per fold: -o names a folder, and --shard and "
            f"--scheduler take one encoder, such as {tuned.folder / 'fold-0'}"
        )
    part = None
    if args.shard:
        from extract.parallel.shards import Part  # late: it imports numpy

        part = Part.parse(args.shard)
        if args.prune:
            raise UsageError("--prune with --shard: prune in a run without --shard, at the end")
        if args.scheduler:
            raise UsageError("--shard with --scheduler: expected one of both")
    prefixes = [parse_prefix(text) for text in args.audio_prefix]
    sources = [
        replace(corpus, utterances=tuple(placed(corpus.utterances, prefixes)))
        for corpus in read(args)
    ]
    utterances = [utterance for corpus in sources for utterance in corpus.utterances]
    utterances = with_conditions(args, utterances)
    share = _share(sources, utterances, part, args.quiet) if part else None
    models = tuned.caches(args.out) if tuned else {args.out: args.model}
    if args.dry_run:
        for cache in models:
            _dry_run(cache, share.own if share else utterances)
        return 0
    if tuned:
        tuned.describe(args.out)
        if (request_of_all := tuned.together(args.out, request)) is not None:
            return _together(args, request_of_all, utterances, tuned.caches(args.out))
    return max(
        _extract(args, cache, str(model), request, utterances, share)
        for cache, model in models.items()
    )


def _together(
    args: argparse.Namespace,
    request: Request,
    utterances: "list[Utterance]",
    caches: dict[Path, Path],
) -> int:
    """Embed each batch by all encoders."""
    from extract.engines import open_engine
    from extract.engines.torch import Together, TorchEngine
    from extract.pipeline import extract_together

    engines = [open_engine(str(model), request, args.device) for model in caches.values()]
    engine = Together([one for one in engines if isinstance(one, TorchEngine)])
    log.info("%d encoders together by torch (%s): %s", len(engines), engine.provenance["device"],
             engine.what_is_shared)  # fmt: skip
    summaries, elapsed = _watched(
        args,
        len(utterances),
        lambda settings, _: extract_together(utterances, engine, [*caches], settings),
    )
    for cache, summary in zip(caches, summaries, strict=True):
        last = cache == [*caches][-1]  # all have refused the same recordings
        _report(args, cache, summary, elapsed, refusals=last)
    return SOME_REFUSED if any(summary.refused for summary in summaries) else 0


def _share(
    found: "Sequence[Corpus]", utterances: "Sequence[Utterance]", part: "Part", quiet: bool
) -> "Share":
    from data.scan import seconds
    from extract.parallel.shards import Share

    lengths = seconds(found, quiet)
    lengths |= {u.id: lengths.get(clean_id(u.id), 0.0) for u in utterances if u.condition}
    share = Share.of(utterances, lengths, part)
    hours, whole = (
        sum(lengths.get(u.id, 0.0) for u in listed) / 3600 for listed in (share.own, utterances)
    )
    log.info(
        "part %s: %s of %d, %.2f of %.2f h",
        part, several(len(share.own), "utterance"), len(utterances), hours, whole,
    )  # fmt: skip
    return share


def _dry_run(cache: Path, utterances: "Sequence[Utterance]") -> None:
    from data.cache.shards import Shards
    from extract.decoding import checksums

    known, checksum = Shards(cache).known(), checksums()
    done = 0
    for utterance in utterances:
        sha256 = checksum(utterance.file)
        done += sha256 is not None and utterance.version(sha256) == known.get(utterance.id)
    show(f"{len(utterances) - done} of {len(utterances)} utterances would be embedded into {cache}")


def _extract(
    args: argparse.Namespace,
    cache: Path,
    model: str,
    request: Request,
    utterances: "list[Utterance]",
    share: "Share | None",
) -> int:
    from extract.pipeline import Whole

    def run(settings: "Settings", watch_workers: Callable[[int], None]) -> "Summary":
        if args.scheduler:
            return _on_workers(args, request, utterances, settings, watch_workers)
        portion = share or Whole(utterances, args.prune)
        return extract(portion, cache, model, request, args.device, settings)

    summary, elapsed = _watched(args, len(share.own if share else utterances), run)
    _report(args, cache, summary, elapsed)
    return SOME_REFUSED if summary.refused else 0


def _watched(
    args: argparse.Namespace,
    total: int,
    run: "Callable[[Settings, Callable[[int], None]], Result]",
) -> "tuple[Result, float]":
    """Call `run` with a progress bar; return its result and the seconds that it took."""
    from tqdm import tqdm

    from extract.pipeline import Settings

    began = time.monotonic()
    embedded, workers = 0.0, ""
    with tqdm(
        total=total, unit="utt", dynamic_ncols=True,
        disable=args.quiet or not sys.stderr.isatty(), smoothing=0.05,
    ) as bar:  # fmt: skip

        def watch(seconds: float) -> None:
            nonlocal embedded
            with bar.get_lock():
                embedded += seconds
                rate = f"{embedded / (time.monotonic() - began):.1f}× real time"
                bar.set_postfix_str(rate + workers, False)
                bar.update()

        def watch_workers(count: int) -> None:
            nonlocal workers
            workers = f", {several(count, 'worker')}"

        settings = Settings(args.batch_seconds, args.max_seconds, args.jobs, args.prune, watch)
        try:
            found = run(settings, watch_workers)
        except KeyboardInterrupt:
            log.warning("stopped; finished work is kept: run the same command again to continue")
            raise
    return found, time.monotonic() - began


def _on_workers(
    args: argparse.Namespace,
    request: Request,
    utterances: "list[Utterance]",
    settings: "Settings",
    watch_workers: Callable[[int], None],
) -> "Summary":
    """Extract on the workers of a scheduler."""
    from extract.engines import open_engine
    from extract.parallel import dask
    from extract.parallel.workers import Cluster

    folder = Path(args.model).expanduser()
    model = str(folder.resolve()) if folder.is_dir() else args.model
    opened = partial(open_engine, model, request, args.device)
    cluster = Cluster(
        args.scheduler, args.worker_resource, args.worker_wait, args.worker_timeout, watch_workers
    )
    return dask.extract(utterances, opened, args.out, settings, cluster)[1]


def _report(
    args: argparse.Namespace,
    cache: Path,
    summary: "Summary",
    elapsed: float,
    refusals: bool = True,
) -> None:
    from data.cache.file import parts_folder
    from data.cache.refusals import errors_file

    if args.json:
        counts = ("missing", "packed", "embedded", "cached", "pruned")
        show_json(
            {
                "cache": str(cache),
                "utterances": summary.total,
                **{name: getattr(summary, name) for name in counts},
                "refused": [{"id": r.utterance.id, "reason": r.reason} for r in summary.refused],
                "audio_seconds": round(summary.seconds, 3),
                "seconds": round(elapsed, 3),
            }
        )
    else:
        show(*_in_words(args.shard, cache, summary, elapsed))
    if not refusals:
        return
    reasons = dict.fromkeys((one.utterance.file, one.reason) for one in summary.refused)
    for file, reason in [*reasons][:SHOWN]:  # once for all conditions
        log.error("%s: %s", file, reason)
    if summary.refused:
        listed = errors_file(cache) if summary.packed else parts_folder(cache)
        log.error("refused %s: see %s", several(len(summary.refused), "utterance"), listed)


def _in_words(shard: str | None, cache: Path, summary: "Summary", elapsed: float) -> Iterator[str]:
    """Lines about an extraction."""
    if summary.packed:
        layers, pooling = len(summary.recipe["layers"]), ", ".join(summary.recipe["pooling"])
        megabytes = cache.stat().st_size / 1e6
        size = f"{megabytes:.{0 if megabytes >= 10 else 2}f} MB"
        utterances = several(summary.total, "utterance")
        yield f"{cache}: {utterances} × {layers} layers × {pooling} ({size})"
    else:
        yield f"{cache}: part {shard} is done"
    if summary.embedded:
        yield (
            f"  {summary.embedded:,} embedded now: {summary.seconds:.0f} s of audio in "
            f"{elapsed:.0f} s, {summary.seconds / elapsed:.1f} × real time"
        )
    if summary.cached:
        yield f"  {several(summary.cached, 'utterance')} already in the cache"
    if summary.pruned:
        yield f"  {summary.pruned} pruned"
    if summary.missing:
        yield (
            f"  {several(summary.missing, 'utterance')} of other parts are still missing; the last "
            f"task packs the cache ('python -m data pack {cache}' packs it now)"
        )
    elif not summary.packed:
        yield "  no utterance is missing; a task that is still running will pack the cache"
