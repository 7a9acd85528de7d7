"""The sample format of raw PCM."""

from dataclasses import dataclass

from data.errors import UsageError
from data.recording import MAX_CHANNELS, RATES

INTEGER, FLOAT = 1, 3  # codings of WAV headers
CODINGS = {  # ffmpeg's name → kind, bytes of a sample, libsndfile's name
    "u8": (INTEGER, 1, "PCM_U8"), "s16le": (INTEGER, 2, "PCM_16"), "s24le": (INTEGER, 3, "PCM_24"),
    "s32le": (INTEGER, 4, "PCM_32"), "f32le": (FLOAT, 4, "FLOAT"), "f64le": (FLOAT, 8, "DOUBLE"),
}  # fmt: skip


@dataclass(frozen=True)
class PCM:
    """Encoding, rate and number of interleaved channels."""

    encoding: str = "s16le"
    rate: int = 16_000  # Hz
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in CODINGS:
            raise UsageError(f"encoding {self.encoding}: expected one of {', '.join(CODINGS)}")
        if self.rate not in RATES:
            raise UsageError(f"rate {self.rate}: expected {RATES[0]} to {RATES[-1]} Hz")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UsageError(f"channels {self.channels}: expected 1 to {MAX_CHANNELS}")

    @property
    def kind(self) -> int:
        """`INTEGER` or `FLOAT`."""
        return CODINGS[self.encoding][0]

    @property
    def width(self) -> int:
        """Bytes of one sample of one channel."""
        return CODINGS[self.encoding][1]

    @property
    def subtype(self) -> str:
        """libsndfile's name of the coding."""
        return CODINGS[self.encoding][2]

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.width * self.channels

    def __str__(self) -> str:
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return f"{self.encoding}, {self.rate:,} Hz, {channels}"
