"""The process that decodes containers: it is given open files over a socket, and opens none itself.

It runs as a script, without the rest of this package. A request is a JSON object ``format``,
``seconds`` (to decode, or null) with a file descriptor. The answers are messages: their kind, their
length, and their content.
"""

import contextlib
import json
import math
import os
import resource
import socket
import struct
from typing import Any

MEMORY = 4 << 30  # bytes of address space, of which libraries take a part
BLOCK = 1 << 16  # frames of a message
MESSAGE = struct.Struct("<cI")  # kind and length; kinds: header, block, end, refusal


def main() -> None:
    """Answer requests until the other end of the socket is closed."""
    import av  # noqa: F401 – before the limits

    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    with socket.socket(fileno=0) as connection:
        while True:
            request, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
            if not request:
                return
            with os.fdopen(descriptors[0], "rb") as file:
                file.seek(0)
                _answer(connection, file, **json.loads(request))


def _answer(connection: socket.socket, file: Any, format: str, seconds: float | None) -> None:
    import av

    def send(kind: bytes, content: bytes = b"") -> None:
        connection.sendall(MESSAGE.pack(kind, len(content)) + content)

    try:
        if format == "matroska":
            _check_matroska(file)
        with av.open(file, format=format, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise ValueError("it contains no audio")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise ValueError("its coding is unknown")
            stream.codec_context.thread_count = 1
            header = _header(container, stream)
            send(b"h", json.dumps(header).encode())
            if seconds != 0:
                stop = None if seconds is None else math.ceil(seconds * stream.rate)
                _blocks(container, stream, send, header["channels"], stop)
        send(b"e")
    except Exception as error:  # if the other process has ended, `send` raises it again
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        send(b"x", reason.encode(errors="replace")[:500])


def _check_matroska(file: Any) -> None:
    """Refuse a file that is cut short, which FFmpeg reads as a whole one.

    Raises:
        ValueError: the file is shorter than its segment (RFC 8794, section 4: lengths).
    """

    def length() -> int | None:
        first = file.read(1)[0]
        width = 9 - first.bit_length()
        value = int.from_bytes(bytes([first & (0xFF >> width)]) + file.read(width - 1))
        return None if value == (1 << 7 * width) - 1 else value  # None: unknown, of a stream

    with contextlib.suppress(IndexError):  # FFmpeg says what is wrong
        file.seek(4)
        file.seek(length() or 0, os.SEEK_CUR)
        if file.read(4) == b"\x18\x53\x80\x67":
            segment = length()
            if segment is not None and file.tell() + segment > os.fstat(file.fileno()).st_size:
                raise ValueError("it is cut short")
    file.seek(0)


def _header(container: Any, stream: Any) -> dict[str, Any]:
    import av

    known = 0
    if stream.duration is not None:
        known = max(0, round(stream.duration * stream.time_base * stream.rate))
    whole = round(max(0, container.duration or 0) * stream.rate / av.time_base)
    return {
        "rate": stream.rate,
        "channels": stream.channels,
        "frames": known or whole,
        "known": known,
    }


def _blocks(container: Any, stream: Any, send: Any, channels: int, stop: int | None) -> None:
    """Send blocks of interleaved float32 samples, `stop` frames or a few more."""
    import av

    resampler = av.AudioResampler("flt", stream.layout, stream.rate)  # changes the format alone
    waiting, sent, size = bytearray(), 0, 4 * channels
    for frame in container.decode(stream):
        if stop is not None and sent + len(waiting) // size >= stop:
            break
        if frame.sample_rate != stream.rate or len(frame.layout.channels) != channels:
            raise ValueError("its rate or its channels change")
        for converted in resampler.resample(frame):
            waiting += bytes(converted.planes[0])[: converted.samples * size]
        while len(waiting) >= BLOCK * size:
            send(b"b", bytes(waiting[: BLOCK * size]))
            del waiting[: BLOCK * size]
            sent += BLOCK
    if waiting:
        send(b"b", bytes(waiting))


if __name__ == "__main__":
    with contextlib.suppress(OSError, KeyboardInterrupt):  # the other process has ended
        main()
