"""``python -m classify predict MODEL - --stream``: predictions for a live stream."""

import argparse
import logging
import sys
from dataclasses import replace

import numpy as np

from classify.inference.pcm import PCM
from classify.inference.predictor import Predictor
from classify.inference.stream.display import Summary, json_line, live_line
from classify.inference.stream.loop import Stream
from classify.inference.stream.options import StreamOptions
from classify.inference.stream.signals import Signals
from classify.inference.stream.sources import Microphone, Source, StandardInput
from classify.models.trained import TrainedHead
from data.console import SOME_REFUSED
from data.errors import AudioError, UsageError
from data.options import from_arguments
from extract.audio import SAMPLING_RATE, Waveform

log = logging.getLogger("wav2emo")

MICROPHONE = "mic"  # or mic:NAME


def run(arguments: argparse.Namespace, raw: PCM | None) -> int:
    """Predict a stream and return the exit status.

    Args:
        arguments: as `classify.commands.predict` parsed them.
        raw: the format of standard input, if it has no header.

    Raises:
        UsageError: the input is not a stream.
        AudioError: the input is not audio, or shorter than a window.
    """
    options = from_arguments(StreamOptions, arguments)
    for option in ("csv", "out", "language"):
        if getattr(arguments, option):
            raise UsageError(
                f"--{option} is for recordings; a stream answers in JSON lines: leave it out"
            )
    source, options = opened(arguments.inputs, raw, options)
    model = TrainedHead.load(arguments.model)
    log.info("%s on %s", model.card["head"], model.encoder)
    predictor = Predictor.open(model, arguments.device, arguments.encoder)
    warm_up(predictor, options)
    log.info("listening: %g s every %g s; Ctrl-C ends", options.window, options.hop)
    stream, summary = Stream(predictor, source, options), Summary()
    terminal = sys.stdout.isatty() and not (arguments.json or arguments.jsonl)
    display = live_line if terminal else json_line

    def words() -> str:
        return summary.words(stream.seconds, source.lost, options.hop)

    with Signals(stream.stop, words) as signals:
        try:
            for moment in stream:
                summary.add(moment, moment.latency)  # first, since a signal may end the rest
                with signals.writing():
                    display(moment, bool(model.targets))
        finally:
            if summary.moments:
                if terminal:
                    sys.stdout.write("\n")  # noqa: TID251
                for line in words().split("\n"):
                    log.info("%s", line)
    if not summary.moments:
        raise AudioError(
            f"{stream.seconds:.2f} s of audio were received, less than a window of "
            f"{options.window:g} s: there is no prediction"
        )
    return SOME_REFUSED if summary.refused else 0


def opened(
    names: list[str], raw: PCM | None, options: StreamOptions
) -> tuple[Source, StreamOptions]:
    """Open the source of that name; return it with suitable options."""
    name, *more = names
    kind, _, device = name.partition(":")
    if more or (name != "-" and kind != MICROPHONE):
        raise UsageError(
            f"--stream: expected - or {MICROPHONE}, got {' '.join(names)}; of a file: "
            "ffmpeg -i FILE -f wav - | python -m classify predict MODEL - --stream"
        )
    if name == "-":
        return StandardInput(sys.stdin.fileno(), raw, options.hop), options
    if raw:
        raise UsageError("--rate, --channels and --encoding are for standard input")
    return Microphone(device), replace(options, live=True)


def warm_up(predictor: Predictor, options: StreamOptions) -> None:
    """Predict once, so that the first window does not wait for lazy initialisation."""
    samples = round(options.window * SAMPLING_RATE)
    noise: Waveform = np.random.default_rng(0).standard_normal(samples, np.float32)
    predictor.waveform(noise)
