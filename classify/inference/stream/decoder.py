"""Decode a WAV stream or raw PCM to mono samples."""

import io
import struct

import numpy as np

from classify.inference.pcm import CODINGS, PCM
from data.errors import AudioError, UsageError
from extract.audio import Waveform, decode_pcm, wave_chunks, wave_coding

INTEGER, FLOAT = 1, 3  # codings of WAV headers
OF_HEADER = {  # coding and bits of a sample → ffmpeg's name
    (FLOAT if name.startswith("f") else INTEGER, 8 * width): name
    for name, (_, width) in CODINGS.items()
}
ENDLESS = 0x7FFF0000  # a data chunk of this length or more, or of none, ends with the stream
LONGEST_HEADER = 1 << 16  # bytes before the data
LONGEST_MAGIC = 12  # bytes that identify a WAV file
COMPRESSED = {b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3"}


class Decoder:
    """Decode a stream of bytes that arrives in pieces of any size.

    Attributes:
        format: format of the samples; None until the header is complete.
        wave: whether there is a WAV header.
    """

    def __init__(self, raw: PCM | None = None) -> None:
        """`raw` is the format of samples without a header; None: they are refused."""
        self.format: PCM | None = None
        self.wave = False
        self._raw = raw
        self._rest = b""  # a header that is not complete, or the beginning of a frame
        self._left: int | None = None  # bytes of the data chunk to come; None: no end is known

    def feed(self, data: bytes) -> Waveform:
        """Decode `data`; return the new samples, (sample,).

        Raises:
            AudioError: the data is not PCM.
        """
        data = self._rest + data
        if self.format is None:
            data = self._after_header(data)
        if self.format is None:
            self._rest = data
            return np.empty(0, np.float32)
        if self._left is not None:
            data = data[: self._left]
        whole = len(data) - len(data) % self.format.frame
        data, self._rest = data[:whole], data[whole:]
        if self._left is not None:
            self._left -= whole
        return decode_pcm(data, self.format.subtype, self.format.channels)

    def finish(self) -> Waveform:
        """Decode the bytes that `feed` kept because they could have been part of a header.

        Raises:
            AudioError: there was no data, or only a part of a header.
        """
        if self.wave and self.format is None:
            raise AudioError("standard input ended in the header of a WAV file")
        if self.format is None and not self._rest:
            raise AudioError("standard input ended before there was any audio")
        self.format = self.format or self._of_raw(self._rest)
        return self.feed(b"")

    @property
    def ended(self) -> bool:
        """Whether all samples that the header announced have come."""
        return self.format is not None and self._left is not None and self._left < self.format.frame

    def _after_header(self, data: bytes) -> bytes:
        """Parse the header; return the data after it, or all data while the header is
        incomplete."""
        if len(data) < LONGEST_MAGIC:
            return data
        self.wave = data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE"
        if not self.wave:
            self.format = self._of_raw(data)
            return data
        found = None
        for name, position, length in wave_chunks(io.BytesIO(data)):
            if name == b"data" and found is not None:
                self.format = found
                self._left = length if 0 < length < ENDLESS else None
                return data[position:]
            if name == b"data" or position + length > LONGEST_HEADER:
                raise AudioError("standard input: a WAV header without format or data")
            if len(data) < position + length:
                break
            if name == b"fmt ":
                found = _format(data[position : position + length])
        if len(data) > LONGEST_HEADER:
            raise AudioError("standard input: a WAV header without format or data")
        return data

    def _of_raw(self, data: bytes) -> PCM:
        """The format of a stream without a WAV header."""
        for magic, name in COMPRESSED.items():
            if data.startswith(magic):
                raise AudioError(
                    f"standard input is {name}, expected WAV or raw PCM; decode it: "
                    "ffmpeg -i … -f wav - | …"
                )
        if self._raw is None:
            raise AudioError(
                "standard input is no WAV by its first bytes; of samples without a header say "
                "what they are: --encoding s16le --rate 16000 --channels 1"
            )
        return self._raw


def _format(chunk: bytes) -> PCM:
    """The format of a WAV file, from its ``fmt `` chunk."""
    if len(chunk) < 16:
        raise AudioError("standard input: a WAV header with a damaged format")
    coding = wave_coding(chunk)
    channels, rate, bits = struct.unpack("<2xHI6xH", chunk[:16])
    if (coding, bits) not in OF_HEADER:
        raise AudioError(
            f"standard input is WAV of coding {coding:#06x} with {bits} bits, expected PCM or "
            "float; convert it: ffmpeg -i … -f wav - | …"
        )
    try:
        return PCM(OF_HEADER[coding, bits], rate, channels)
    except UsageError as error:
        raise AudioError(f"standard input: {error}") from None
