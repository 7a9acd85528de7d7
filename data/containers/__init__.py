"""Audio of containers (mp4, m4a, webm, avi), decoded by PyAV in processes of their own.

The decoders of FFmpeg have had many vulnerabilities. A process that crashes, takes too long or
needs too much memory is replaced, and its file is refused. The process is given an open file and a
format, so that a file cannot name others. PyAV is the extra ``[av]``.
"""

import atexit
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.errors import AudioError

INSTALL = "pip install 'wav2emo[av]'"
PATIENCE = 60.0  # seconds that are waited for a decoder, beside one for each second of audio
MESSAGE = struct.Struct("<cI")  # as in `data.containers.decoder`, which needs PyAV
LONGEST = 1 << 24  # bytes of a message


@dataclass(frozen=True)
class Sound:
    """Audio of a container that is being decoded."""

    rate: int  # Hz
    channels: int
    frames: int  # samples per channel by the header, or of the whole container; 0: unknown
    known: int  # samples per channel by the header; 0: unknown
    blocks: Iterator[bytes]  # float32, channels interleaved


def format_of(head: bytes) -> str | None:
    """FFmpeg's name of a container, by the first 12 bytes of the file; None for other files."""
    if head[4:8] == b"ftyp":
        return "mov"  # of mp4 and m4a, too
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"  # of webm, too
    return "avi" if head[:4] == b"RIFF" and head[8:12] == b"AVI " else None


def installed() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


@contextmanager
def opened(descriptor: int, format: str, seconds: float | None = None) -> Iterator[Sound]:
    """Decode an open file.

    Args:
        descriptor: of the file.
        format: see `format_of`.
        seconds: how much is decoded at least; None: all.

    Raises:
        AudioError: PyAV is not installed, or the file is refused; also while blocks are read.
    """
    if not installed():
        raise AudioError(f"a container ({format}), which needs PyAV: {INSTALL}")
    try:
        process = _idle.pop()
    except IndexError:
        process = _Process()
    try:
        answers = process.answers(descriptor, format, seconds)
        yield Sound(**json.loads(next(answers)), blocks=answers)
        for _ in answers:  # few, if `seconds` is given
            pass
    finally:
        if process.finished:
            _idle.append(process)
        else:
            process.end()


def header(path: Path) -> tuple[int, int, int] | None:
    """Samples per channel, rate in Hz and channels of a container; None if it is not readable."""
    try:
        with path.open("rb") as file:
            format = format_of(file.read(12))
            if format is None:
                return None
            with opened(file.fileno(), format, seconds=0) as sound:
                return sound.frames, sound.rate, sound.channels
    except (AudioError, OSError):
        return None


class _Process:
    """A running decoder."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("decoder.py"))],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # interrupts are for this process
            )
        self.socket = ours
        self.waited = 0.0  # seconds
        self.finished = False  # whether the last request was answered
        with _lock:
            _running.add(self)

    def answers(self, descriptor: int, format: str, seconds: float | None) -> Iterator[bytes]:
        """Send a request and yield the header, and then blocks.

        Raises:
            AudioError: the file is refused.
        """
        self.waited, self.finished = 0.0, False
        request = json.dumps({"format": format, "seconds": seconds}).encode()
        second = 0  # bytes of a second of audio
        try:
            socket.send_fds(self.socket, [request], [descriptor])
            while True:
                kind, length = MESSAGE.unpack(self._receive(MESSAGE.size))
                if length > LONGEST:
                    raise OSError("a message is too long")
                content = self._receive(length)
                if kind == b"h":
                    header = json.loads(content)
                    second = 4 * header["channels"] * header["rate"]
                elif kind == b"b":
                    self.waited -= length / second
                else:
                    self.finished = True
                    if kind == b"e":
                        return
                    reason = content.decode(errors="replace")
                    raise AudioError(f"damaged audio, or not supported: {reason}")
                yield content
        except TimeoutError:
            raise AudioError(f"decoding took over {PATIENCE:g} s: refused") from None
        except OSError:
            raise AudioError(f"its decoder {self.end()}: refused") from None

    def _receive(self, length: int) -> bytes:
        content = bytearray()
        while len(content) < length:
            self.socket.settimeout(max(0.001, PATIENCE - self.waited))
            begin = time.monotonic()
            part = self.socket.recv(min(length - len(content), 1 << 20))
            self.waited = max(0.0, self.waited + time.monotonic() - begin)
            if not part:
                raise ConnectionError("the decoder has ended")
            content += part
        return bytes(content)

    def end(self) -> str:
        """End the process; return in words how it ended."""
        with _lock:
            _running.discard(self)
        self.socket.close()
        try:
            status = self.process.wait(1.0)  # it ends by itself, or has crashed
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return f"crashed ({signal.Signals(-status).name})" if status < 0 else "ended early"


_lock = threading.Lock()
_idle: list[_Process] = []
_running: set[_Process] = set()


def _end_all() -> None:
    for process in list(_running):
        process.end()


def _forget() -> None:
    """A forked process shares no decoder."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()
    _running.clear()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_forget)
