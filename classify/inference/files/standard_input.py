"""Copy a recording from standard input to a file, which can be read at any position."""

import struct
import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from classify.inference.files.options import STANDARD_INPUT
from classify.inference.pcm import PCM
from data.errors import AudioError, UsageError
from data.utterance import Utterance
from extract.audio import wave_chunks

MAX_BYTES = (4 << 30) - (1 << 16)  # the largest size in the header of a WAV file
BLOCK = 1 << 20  # bytes
HEADERS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3")


def check() -> None:
    """Require that standard input is open and not a terminal.

    Raises:
        UsageError: standard input is a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "'-' is standard input, and that is a terminal here: expected a recording, such as "
            "'python -m classify predict MODEL - < speech.wav'"
        )


def receive(stream: BinaryIO, folder: Path, raw: PCM | None) -> Utterance:
    """Read `stream` to its end into a file in `folder`.

    `raw` describes samples without a header.

    Raises:
        AudioError: the stream is empty, too long, or not a recording.
        OSError: the disk is full.
    """
    blocks = iter(partial(stream.read, BLOCK), b"")
    first = next(blocks, b"")
    if not first:
        raise AudioError("empty; expected a recording")
    if not first.startswith(HEADERS) and not raw:
        raise AudioError(
            "neither WAV nor FLAC by its first bytes; describe samples without a header by "
            "--encoding s16le --rate 16000 --channels 1"
        )
    file = folder / "standard-input.wav"
    with file.open("w+b") as copy:
        if raw and not first.startswith(HEADERS):
            none = np.empty((0, raw.channels))
            soundfile.write(copy, none, raw.rate, raw.subtype, format="WAV")  # a header
        for block in chain([first], blocks):
            copy.write(block)
            if copy.tell() > MAX_BYTES:
                raise AudioError(f"more than {MAX_BYTES / 2**30:.1f} GiB; save it to files first")
        _tell_length(copy)
    return Utterance(STANDARD_INPUT, "", folder, file.name)


def _tell_length(copy: BinaryIO) -> None:
    """Write the length into the WAV header of a program that streams, which has 0 there."""
    size = copy.tell()
    copy.seek(0)
    if copy.read(4) != b"RIFF":
        return
    for name, position, length in wave_chunks(copy):
        if name == b"data":
            if length == 0:
                copy.seek(position - 4)
                copy.write(struct.pack("<I", size - position))
            return
