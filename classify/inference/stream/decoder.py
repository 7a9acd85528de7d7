"""Decode a WAV stream or raw PCM to mono samples."""

import struct
from collections.abc import Callable, Iterator

from classify.inference.pcm import CODINGS, PCM
from data.errors import AudioError, UsageError
from extract.audio import Waveform, decode_pcm, wave_coding

INTEGER, FLOAT = 1, 3  # codings of WAV headers
OF_HEADER = {  # coding and bits of a sample → ffmpeg's name
    (FLOAT if name.startswith("f") else INTEGER, 8 * width): name
    for name, (_, width) in CODINGS.items()
}
ENDLESS = 0x7FFF0000  # a data chunk of this length or more, or of none, ends with the stream
LONGEST_HEADER = 1 << 16  # bytes before the data
COMPRESSED = {b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3"}

Read = Callable[[int], bytes | None]  # at most so many bytes; none: the end; None: wait for more


class Decoder:
    """Decode a stream of bytes, which `read` gives in pieces of any size.

    Attributes:
        format: format of the samples.
        wave: whether there is a WAV header, which is read at once.
    """

    def __init__(self, read: Read, raw: PCM | None = None) -> None:
        """`raw` is the format of samples without a header; None: they are refused.

        Raises:
            AudioError: the data is not PCM, or ends in its header.
        """
        self._read = read
        self._left: int | None = None  # bytes of the data chunk to come; None: no end is known
        self.wave = False
        magic = self._exactly(12)
        self.wave = magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE"
        self._rest = b"" if self.wave else magic  # samples, or the beginning of one
        self.format = self._header() if self.wave else _without_header(magic, raw)

    def samples(self, seconds: float) -> Iterator[Waveform]:
        """Yield (sample,) blocks of at most `seconds`; one without samples while `read` waits."""
        form = self.format
        at_once = max(1, round(seconds * form.rate)) * form.frame
        while self._left is None or self._left >= form.frame:
            piece = self._read(at_once)
            data = (self._rest + (piece or b""))[: self._left]
            whole = len(data) - len(data) % form.frame
            data, self._rest = data[:whole], data[whole:]
            if self._left is not None:
                self._left -= whole
            if whole or piece is None:
                yield decode_pcm(data, form.subtype, form.channels)
            if piece == b"":
                return

    def _exactly(self, count: int) -> bytes:
        """Read `count` bytes, of a stream without a header to its end if it has fewer."""
        data = b""
        while len(data) < count and (piece := self._read(count - len(data))) != b"":
            data += piece or b""
        if self.wave and len(data) < count:
            raise AudioError("standard input ended in the header of a WAV file")
        return data

    def _header(self) -> PCM:
        """Read the header after its magic, up to the data."""
        found, position = None, 12
        while position <= LONGEST_HEADER:
            name, length = struct.unpack("<4sI", self._exactly(8))
            if name == b"data" and found is not None:
                self._left = length if 0 < length < ENDLESS else None
                return found
            position += 8 + length + length % 2
            if name == b"data" or position > LONGEST_HEADER:
                break
            content = self._exactly(length + length % 2)
            if name == b"fmt ":
                found = _format(content)
        raise AudioError("standard input: a WAV header without format or data")


def _without_header(data: bytes, raw: PCM | None) -> PCM:
    """The format of a stream without a WAV header."""
    if not data:
        raise AudioError("standard input ended before there was any audio")
    for magic, name in COMPRESSED.items():
        if data.startswith(magic):
            raise AudioError(
                f"standard input is {name}, expected WAV or raw PCM; decode it: "
                "ffmpeg -i … -f wav - | …"
            )
    if raw is None:
        raise AudioError(
            "standard input is no WAV by its first bytes; describe samples without a header by "
            "--encoding s16le --rate 16000 --channels 1"
        )
    return raw


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
