"""``python -m classify predict``: emotions of new recordings, or numbers, by a saved head."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from classify.inference.files.options import STANDARD_INPUT, PredictOptions
from classify.inference.pcm import CODINGS, PCM
from classify.inference.stream.options import StreamOptions
from data.console import SOME_REFUSED, Parser, common_options, configure_logging
from data.errors import UsageError

FORMATS = ("csv", "json", "jsonl")  # that have an option of their own


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify predict",
        description="Say the emotions of new recordings. A recording that cannot be read gets a "
        "line on standard error and does not stop the others; the exit status is 3 then.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder from 'classify train'")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="recordings, folders of them, globs such as 'calls/**/*.wav', tables with the columns "
        "file[,start,end], or '-': a recording on standard input",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--csv",
        action="store_true",
        help="file, emotion, a probability per class; of a regression: file, a number per target",
    )
    form.add_argument("--json", action="store_true", help="the same as a list of objects")
    form.add_argument(
        "--jsonl", action="store_true", help="an object a line, each as soon as it is known"
    )
    form.add_argument(
        "--format",
        default="table",
        metavar="NAME",
        help="table, csv, json or jsonl (default: table)",
    )
    _add_window(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="of each timeline a CSV, an RTTM and a PNG"
    )
    _add_stream(parser)
    _add_pcm(parser)
    parser.add_argument(
        "--encoder", metavar="PATH", help="where the model's encoder is, if it has moved"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda[:N] or mps")
    parser.add_argument(
        "--follow-links", action="store_true", help="read what links and '..' lead to outside"
    )
    common_options(parser)
    return parser


def _add_window(parser: argparse.ArgumentParser) -> None:
    """Add ``--window`` and ``--hop``."""
    group = parser.add_argument_group("emotion over time, in recordings of any length")
    group.add_argument(
        "--window", type=float, metavar="SECONDS", help="slide a window over each recording"
    )
    group.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from window to window (a third of a window)"
    )


def _add_stream(parser: argparse.ArgumentParser) -> None:
    """Add ``--stream`` and what belongs to it alone; ``--window`` and ``--hop`` mean the same as
    elsewhere, but have the defaults of `StreamOptions`."""
    default = StreamOptions()
    group = parser.add_argument_group("streams", "see docs/streaming.md")
    group.add_argument(
        "--stream",
        action="store_true",
        help="answer while it comes in: INPUT is - (standard input), mic or mic:NAME; a "
        f"window of {default.window:g} s every {default.hop:g} s if nothing else is asked for",
    )
    group.add_argument(
        "--half-life",
        type=float,
        metavar="S",
        help="seconds after which an answer counts half in the smoothed one; 0: no smoothing "
        f"(default: {default.half_life})",
    )
    group.add_argument(
        "--live",
        action="store_true",
        help="never make standard input wait: skip hops when behind, as with mic, and say so",
    )
    group.add_argument(
        "--no-vad",
        dest="voice_only",
        action="store_false",
        default=None,
        help="answer windows without voice too",
    )


def _add_pcm(parser: argparse.ArgumentParser) -> None:
    """Add ``--rate``, ``--channels`` and ``--encoding``."""
    raw = parser.add_argument_group("raw samples on standard input, if they have no header")
    raw.add_argument("--rate", type=int, metavar="HZ", help="16000 if not given")
    raw.add_argument("--channels", type=int, metavar="N", help="1 if not given")
    raw.add_argument("--encoding", choices=CODINGS, help="s16le if not given")


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    if arguments.stream:
        from classify.commands import stream as command

        return command.run(arguments, pcm(arguments))
    _require_no_stream(arguments)
    options = _options(arguments)

    from classify.inference.files import standard_input
    from classify.inference.files.inputs import find
    from classify.inference.files.recordings import FilePredictions
    from classify.models.trained import TrainedHead
    from extract.sliding import Sliding

    sliding = None if options.window is None else Sliding(options.window, options.hop)
    predictions = FilePredictions(TrainedHead.load(options.model), options, sliding)
    with contextlib.ExitStack() as stack:
        receive = None
        if STANDARD_INPUT in options.inputs:
            standard_input.check()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wav2emo-")))
            receive = partial(standard_input.receive, sys.stdin.buffer, folder, options.raw)
        utterances, problems = find(options.inputs, options.follow_links, receive)
        predictions.refuse(problems)
        predictions.show(utterances)
    return SOME_REFUSED if predictions.refused else 0


def _options(arguments: argparse.Namespace) -> PredictOptions:
    return PredictOptions(
        model=arguments.model,
        inputs=tuple(arguments.inputs),
        form=next((form for form in FORMATS if getattr(arguments, form)), arguments.format),
        window=arguments.window,
        hop=arguments.hop,
        out=arguments.out,
        raw=pcm(arguments),
        encoder=arguments.encoder,
        device=arguments.device,
        follow_links=arguments.follow_links,
    )


def pcm(arguments: argparse.Namespace) -> PCM | None:
    """The options for samples without a header; None: none are given."""
    given = {name: getattr(arguments, name) for name in ("encoding", "rate", "channels")}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return PCM(**given) if given else None
    except UsageError as error:
        raise UsageError(f"--{error}") from None


def _require_no_stream(arguments: argparse.Namespace) -> None:
    """Refuse options that only a stream has.

    Raises:
        UsageError: something is.
    """
    asked = {
        "--half-life": arguments.half_life is not None,
        "--live": arguments.live,
        "--no-vad": arguments.voice_only is not None,
    }
    if given := [option for option, there in asked.items() if there]:
        raise UsageError(f"{given[0]} is for streams: add --stream")
