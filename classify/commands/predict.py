"""``python -m classify predict``: predict emotions or numbers of new recordings by a trained
head."""

import argparse
import contextlib
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from classify.commands.arguments import add_device, add_encoder, add_model
from classify.inference.files.options import STANDARD_INPUT, PredictOptions
from classify.inference.pcm import PCM
from classify.inference.stream.options import StreamOptions
from data.console import SOME_REFUSED, Parser
from data.errors import UsageError
from data.options import add_options, flag_of, from_arguments

log = logging.getLogger("wav2emo")

FORMATS = ("csv", "json", "jsonl")  # formats with their own option


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        prog="python -m classify predict",
        description="Predict the emotions of new recordings. A recording that cannot be read gets "
        "a line on standard error and does not stop the others; the exit status is 3 then.",
    )
    add_model(parser)
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="recordings, folders, globs such as 'calls/**/*.wav', tables with the columns "
        "file[,start,end], or - for a recording on standard input",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--csv",
        action="store_true",
        help="print file, emotion and a probability per class, or file and a number per target",
    )
    form.add_argument("--json", action="store_true", help="print a JSON list of objects")
    form.add_argument(
        "--jsonl", action="store_true", help="print one JSON object per line, without delay"
    )
    form.add_argument(
        "--format",
        default="table",
        metavar="NAME",
        help="output format: table, csv, json or jsonl (default: table)",
    )
    group = parser.add_argument_group("emotion over time, in recordings of any length")
    add_options(group, PredictOptions, "window", "hop")
    add_options(parser, PredictOptions, "out")
    _add_stream(parser)
    group = parser.add_argument_group("raw samples on standard input, if they have no header")
    add_options(group, PCM, defaults=False)
    add_encoder(parser)
    add_options(parser, PredictOptions, "language")
    add_device(parser)
    add_options(parser, PredictOptions, "follow_links")
    return parser


def _add_stream(parser: argparse.ArgumentParser) -> None:
    """Add ``--stream`` and its options. With it, ``--window`` and ``--hop`` have the defaults of
    `StreamOptions`."""
    group = parser.add_argument_group("streams", "see docs/streaming.md")
    group.add_argument(
        "--stream",
        action="store_true",
        help="predict a live stream: INPUT is - (standard input), mic or mic:NAME; by default "
        f"in windows of {StreamOptions.window:g} s every {StreamOptions.hop:g} s",
    )
    add_options(group, StreamOptions, defaults=False)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().arguments(argv)
    if arguments.stream:
        from classify.commands import stream as command

        return command.run(arguments, pcm(arguments))
    _require_no_stream(arguments)
    options = _options(arguments)

    from classify.inference.files import output
    from classify.inference.files.inputs import find
    from classify.models.folder import read_card

    output.format_of(options.form)
    sliding = None
    if options.window is not None:
        from extract.sliding import Sliding

        sliding = Sliding(options.window, options.hop)
    card = read_card(options.model)
    with contextlib.ExitStack() as stack:
        receive = None
        if STANDARD_INPUT in options.inputs:
            from classify.inference.files import standard_input

            standard_input.check()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wav2emo-")))
            receive = partial(standard_input.receive, sys.stdin.buffer, folder, options.raw)
        utterances, problems = find(options.inputs, options.follow_links, receive)
        for problem in problems:
            log.error("%s", problem)
        refused = bool(problems)
        if options.language:
            named = {"language": options.language}
            utterances = [
                replace(one, attributes={**named, **one.attributes}) for one in utterances
            ]
        if utterances:  # else nothing large is imported
            from classify.inference.files.recordings import FilePredictions
            from classify.models.trained import TrainedHead

            predictions = FilePredictions(TrainedHead.load(options.model), options, sliding)
            predictions.show(utterances)
            refused |= predictions.refused > 0
        else:
            output.print_answers(options.form, (), card, options.window is not None)
    return SOME_REFUSED if refused else 0


def _options(arguments: argparse.Namespace) -> PredictOptions:
    form = next((form for form in FORMATS if getattr(arguments, form)), arguments.format)
    return from_arguments(PredictOptions, arguments, form=form, raw=pcm(arguments))


def pcm(arguments: argparse.Namespace) -> PCM | None:
    """Make the format of samples without a header; None if no option is given."""
    given = any(getattr(arguments, one.name) is not None for one in fields(PCM))
    try:
        return from_arguments(PCM, arguments) if given else None
    except UsageError as error:
        raise UsageError(f"--{error}") from None


def _require_no_stream(arguments: argparse.Namespace) -> None:
    """Refuse options that only a stream has.

    Raises:
        UsageError: such an option is given.
    """
    for one in fields(StreamOptions):
        if one.metadata and getattr(arguments, one.name) is not None:
            raise UsageError(f"{flag_of(one)} is for streams: add --stream")
