"""The sample format of raw PCM."""

from dataclasses import dataclass

from data.errors import UsageError
from data.options import option
from data.recording import MAX_CHANNELS, RATES

CODINGS = {  # ffmpeg's name → libsndfile's name, bytes of a sample
    "u8": ("PCM_U8", 1), "s16le": ("PCM_16", 2), "s24le": ("PCM_24", 3), "s32le": ("PCM_32", 4),
    "f32le": ("FLOAT", 4), "f64le": ("DOUBLE", 8),
}  # fmt: skip


@dataclass(frozen=True)
class PCM:
    """Encoding, rate and number of interleaved channels."""

    encoding: str = option("s16le", "sample format", choices=CODINGS)
    rate: int = option(16_000, "sampling rate", metavar="HZ")
    channels: int = option(1, "channels", metavar="N")

    def __post_init__(self) -> None:
        if self.encoding not in CODINGS:
            raise UsageError(f"encoding {self.encoding}: expected one of {', '.join(CODINGS)}")
        if self.rate not in RATES:
            raise UsageError(f"rate {self.rate}: expected {RATES[0]} to {RATES[-1]} Hz")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UsageError(f"channels {self.channels}: expected 1 to {MAX_CHANNELS}")

    @property
    def subtype(self) -> str:
        """libsndfile's name of the coding."""
        return CODINGS[self.encoding][0]

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return CODINGS[self.encoding][1] * self.channels

    def __str__(self) -> str:
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return f"{self.encoding}, {self.rate:,} Hz, {channels}"
