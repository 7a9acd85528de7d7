"""A worker, as the client of an extraction sees it."""

import time
from dataclasses import dataclass, field

from distributed import Future

from data.errors import SchedulerError, Wav2emoError
from extract.chunks import Work
from extract.worker import Introduction


@dataclass(eq=False)
class Hand:
    """A worker, as the client sees it."""

    address: str
    introduction: Introduction | None = None  # None: it is opening the encoder
    ready: bool = False  # it computes as agreed
    refused: Exception | None = None  # why it gets no more chunks
    work: dict[Future, Work | None] = field(default_factory=dict)  # None: an introduction
    since: float = field(default_factory=time.monotonic)  # of its last answer, or first work
    speed: float | None = None  # seconds of audio a second
    chunks: int = 0  # done

    @property
    def introduced(self) -> Introduction:
        """What it has said of its encoder.

        Raises:
            SchedulerError: nothing yet.
        """
        if self.introduction is None:
            raise SchedulerError(f"worker {self.address} has not opened the encoder")
        return self.introduction


def said(error: BaseException) -> str:
    """What went wrong, in a line."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    if isinstance(error, ImportError):
        return f"{error}; install wav2emo there as it is here"
    text = str(error) or type(error).__name__
    return text if isinstance(error, Wav2emoError) else f"{type(error).__name__}: {text}"
