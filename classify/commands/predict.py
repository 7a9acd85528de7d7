"""``python -m classify predict``: emotions of new recordings, or numbers, by a saved head."""

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from classify.inference.files.options import STANDARD_INPUT, PredictOptions, parser
from classify.inference.stream import options as stream_options
from data.console import SOME_REFUSED, configure_logging


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.verbose, arguments.quiet)
    if arguments.stream:
        from classify.commands import stream as command

        return command.run(arguments)
    stream_options.require_none(arguments)
    options = PredictOptions.from_arguments(arguments)

    from classify.inference.files import standard_input
    from classify.inference.files.inputs import find
    from classify.inference.files.recordings import Listening
    from classify.models.trained import TrainedHead
    from extract.sliding import Sliding

    sliding = None if options.window is None else Sliding(options.window, options.hop)
    listening = Listening(TrainedHead.load(options.model), options, sliding)
    with contextlib.ExitStack() as stack:
        receive = None
        if STANDARD_INPUT in options.inputs:
            standard_input.check()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wav2emo-")))
            receive = partial(standard_input.receive, sys.stdin.buffer, folder, options.raw)
        utterances, problems = find(options.inputs, options.follow_links, receive)
        listening.refuse(problems)
        listening.show(utterances)
    return SOME_REFUSED if listening.refused else 0
