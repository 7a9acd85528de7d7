"""Options of a stream."""

from dataclasses import dataclass

from data.errors import UsageError

SHORTEST = 0.1  # seconds; shorter windows and hops say nothing about an emotion


@dataclass(frozen=True)
class StreamOptions:
    """Options of a stream, verified when they are made.

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
