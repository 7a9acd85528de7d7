"""The folder of recordings that are sent: bounded in size, and emptied after each request."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from classify.inference.serve.queue import Busy

KEPT = 60.0  # seconds after its last byte for which an upload is kept


class Uploads:
    """Recordings on disk that wait for the predictor.

    Gradio receives an upload first, and a request that names it later. It keeps equal uploads of
    different users in one place, so an upload is not removed with its prediction, but after `KEPT`
    seconds.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self.sent = root / "sent"  # Gradio's
        self.held = root / "held"  # of requests to ``/predict``
        self.most_bytes = most_bytes
        self._announced = 0  # bytes announced by uploads that are not over
        for folder in (self.sent, self.held):
            folder.mkdir(mode=0o700)

    @contextlib.contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Reserve `size` bytes of disk while an upload is received.

        Raises:
            Busy: uploads already use the available space.
        """
        self.sweep()
        stored = 0  # bytes on disk
        for folder, _, files in os.walk(self.sent.parent):
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    stored += Path(folder, name).stat().st_size
        if size + self._announced + stored > self.most_bytes:
            raise Busy("too many recordings are being sent; try again in a minute")
        self._announced += size
        try:
            yield
        finally:
            self._announced -= size

    def holds(self, path: str) -> bool:
        """Whether a path lies in Gradio's upload folder."""
        return path.startswith(f"{self.sent}/") and path == os.path.normpath(path)

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """A path for a recording that is removed with the context."""
        held = self.held / secrets.token_hex(16)
        try:
            yield held
        finally:
            held.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove uploads, complete or not, that are older than `KEPT` seconds."""
        oldest = time.time() - KEPT
        for folder, _, files in os.walk(self.sent, topdown=False):
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    file = Path(folder, name)
                    if file.stat().st_mtime < oldest:
                        file.unlink()
            if Path(folder) != self.sent:
                with contextlib.suppress(OSError):  # not empty
                    os.rmdir(folder)
