"""Options of a stream."""

from dataclasses import dataclass

from data.errors import UsageError

SHORTEST = 0.1  # seconds; shorter windows and hops say nothing about an emotion


@dataclass(frozen=True)
class StreamOptions:
    """Options of a stream, verified when they are made.

    Attributes:
        window: length of the window in seconds.
        hop: distance of the predictions in seconds.
        half_life: seconds after which the weight of a prediction is halved; 0: no smoothing.
        live: whether hops are skipped if the encoder is too slow, since the source cannot wait.
        voice_only: whether windows without voice are not embedded.
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
