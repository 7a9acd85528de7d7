"""Options of a stream."""

from dataclasses import dataclass

from data.errors import UsageError
from data.options import option, verify

SHORTEST = 0.1  # seconds; shorter windows and hops say nothing about an emotion


@dataclass(frozen=True)
class StreamOptions:
    """Options of a stream, verified when they are made."""

    window: float = 2.0  # length of the window in seconds
    hop: float = 0.5  # distance of the predictions in seconds
    half_life: float = option(
        1.0,
        "half-life of the exponential smoothing in seconds; 0: no smoothing",
        limits=(0, 3600),
        metavar="S",
    )
    live: bool = option(
        False,
        "skip hops instead of blocking standard input, as with mic; skipped hops are counted",
    )
    voice_only: bool = option(True, "predict windows without voice too", flag="--no-vad")

    def __post_init__(self) -> None:
        verify(self)
        if not SHORTEST <= self.hop <= self.window <= 60:
            raise UsageError(
                f"--window {self.window:g} --hop {self.hop:g}: expected a window of at most 60 s "
                f"and a hop of {SHORTEST} s up to the window"
            )
