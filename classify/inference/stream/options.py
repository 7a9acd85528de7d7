"""How a stream is listened to."""

import argparse
from dataclasses import dataclass
from typing import Self

from data.errors import UsageError

SHORTEST = 0.1  # seconds; shorter windows and hops say nothing about an emotion


@dataclass(frozen=True)
class StreamOptions:
    """Everything that a user may choose about a stream; verified once, here.

    Attributes:
        window: seconds that an answer is about.
        hop: seconds from one answer to the next.
        half_life: seconds after which an answer counts half in the smoothed one; 0: no smoothing.
        live: the source cannot wait: when the encoder falls behind, hops are skipped.
        voice_only: windows without voice are not given to the encoder.
    """

    window: float = 2.0
    hop: float = 0.5
    half_life: float = 1.0
    live: bool = False
    voice_only: bool = True

    def __post_init__(self) -> None:
        if not SHORTEST <= self.hop <= self.window <= 60:
            raise UsageError(
                f"--window {self.window:g} --hop {self.hop:g}: expected a window of at most 60 s "
                f"and a hop of {SHORTEST} s up to the window"
            )
        if not 0 <= self.half_life <= 3600:
            raise UsageError(f"--half-life {self.half_life:g}: expected 0 to 3600 s")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Self:
        """Options from what `add_arguments` parsed; None stands for the default."""
        given = vars(arguments)
        return cls(
            **{
                name: given[name]
                for name in cls.__dataclass_fields__
                if given.get(name) is not None
            }
        )


def require_none(arguments: argparse.Namespace) -> None:
    """See that nothing is asked for that only a stream has.

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
