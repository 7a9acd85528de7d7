"""Read a recording: hash, check, decode block by block, mix down, resample and normalise it.

Recordings may be damaged or malicious. The header is checked before anything is decoded, and
decoding counts frames itself, so that `MAX_SECONDS` bounds the memory, not the header. A refused
recording raises an `AudioError` with the reason and the next step.
"""

import hashlib
import io
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from data import containers
from data.errors import AudioError
from data.recording import MAX_CHANNELS, RATES, SHORTEST
from data.recording import MAX_SECONDS as MAX_SECONDS
from data.recording import SAMPLING_RATE as SAMPLING_RATE

RECEPTIVE_FIELD = round(SHORTEST * SAMPLING_RATE)  # samples
BLOCK = 1 << 16  # frames decoded at a time
NORMALISATION_EPSILON = 1e-7  # added to the variance, as by transformers' feature extractor

FORMATS = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"}
SUBTYPES = {
    "PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW",
    "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III",
}  # fmt: skip
WAVE_CODINGS = {1: "PCM", 3: "float", 6: "A-law", 7: "µ-law"}
EXTENSIBLE = 0xFFFE  # the coding is in the GUID of the format chunk
# lengths that programs write if the length is unknown: just below 2 GiB (sox, arecord) or 4 GiB
# (RF64 and others)
STREAMED = (range(0x7FFF_F000, 0x8000_0001), range(0xFFFF_FF00, 0x1_0000_0000))
UNKNOWN_FRAMES = 1 << 60  # libsndfile reports more for a FLAC stream of unknown length
MAX_CHUNKS = 64  # of a WAV file, up to its data
PADDING = 0.1  # seconds that a container's header may count beside the audio
MP3_READ = 0.9  # share of the bytes that must be read; the rest may be tags

Waveform = npt.NDArray[np.float32]  # (sample,), mono


@dataclass(frozen=True)
class Recording:
    """One decoded utterance."""

    waveform: Waveform  # (sample,) at `SAMPLING_RATE`
    seconds: float
    sha256: str  # of the whole file, or of the samples of an array


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(
    path: Path,
    start: float | None = None,
    end: float | None = None,
    max_seconds: float = MAX_SECONDS,
    shortest: int = RECEPTIVE_FIELD,
    sha256: str | None = None,
) -> Recording:
    """Decode a file to a waveform at 16 kHz; channels are averaged, and soxr resamples (HQ).

    Args:
        path: the file.
        start: start of the segment in seconds; None: start of the file.
        end: end of the segment in seconds; None: end of the file.
        max_seconds: longer segments are refused.
        shortest: segments with fewer samples at 16 kHz are refused.
        sha256: checksum of the file, if it is known.

    Raises:
        AudioError: the recording is refused.
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        digest = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        blocks = list(_decoded(file, start, end, max_seconds))
    return _checked(np.concatenate([np.empty(0, np.float32), *blocks]), shortest, digest)


def stream(path: Path, start: float | None = None, end: float | None = None) -> Iterator[Waveform]:
    """Decode a file of any length like `read`; yield its blocks of samples at 16 kHz.

    Raises:
        AudioError: the recording is refused, possibly after some blocks.
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        yield from _decoded(file, start, end, math.inf)


def from_memory(
    waveform: Waveform, max_seconds: float = MAX_SECONDS, shortest: int = RECEPTIVE_FIELD
) -> Recording:
    """Check a (sample,) waveform at 16 kHz like a file; its checksum is that of its bytes.

    Raises:
        AudioError: the waveform is refused.
    """
    waveform = np.ascontiguousarray(waveform, np.float32)
    if waveform.ndim != 1:
        raise AudioError(f"an array of shape {waveform.shape}; expected (sample,), mono at 16 kHz")
    if len(waveform) > max_seconds * SAMPLING_RATE:
        raise AudioError(
            f"{len(waveform) / SAMPLING_RATE:.0f} s is longer than the {max_seconds:.0f} s read at "
            "once; cut it, or make a timeline of it"
        )
    if not np.isfinite(waveform).all():
        raise AudioError("its samples contain NaN or infinity")
    return _checked(waveform, shortest, hashlib.sha256(waveform.data).hexdigest())


def resample(waveform: npt.ArrayLike, rate: int) -> Waveform:
    """Resample a (sample,) waveform of floats to 16 kHz, as `read` does for a file.

    Raises:
        AudioError: the array has another shape or type, or the rate is not supported.
    """
    array = np.asarray(waveform)
    if array.ndim != 1:
        raise AudioError(
            f"an array of shape {array.shape}; expected (sample,): average its channels"
        )
    if array.dtype.kind != "f":
        raise AudioError(
            f"an array of {array.dtype}; expected floats within ±1: divide 16-bit samples by 32768"
        )
    if rate not in RATES:
        raise AudioError(f"a rate of {rate} Hz; expected {RATES[0]} to {RATES[-1]} Hz")
    array = array.astype(np.float32, copy=False)
    if rate == SAMPLING_RATE:
        return array
    return soxr.resample(array, rate, SAMPLING_RATE, quality="HQ")


def decode_pcm(data: bytes, subtype: str, channels: int) -> Waveform:
    """Decode whole frames of little-endian samples without a header to mono.

    Args:
        data: samples, channels interleaved.
        subtype: libsndfile's name of their coding, such as ``PCM_16``.
        channels: number of channels, which are averaged.

    Returns:
        (sample,) within ±1.
    """
    block, _ = soundfile.read(
        io.BytesIO(data), dtype="float32", always_2d=True, format="RAW", endian="LITTLE",
        subtype=subtype, channels=channels, samplerate=SAMPLING_RATE,
    )  # fmt: skip
    return _mono(block)


def _mono(block: npt.NDArray[np.float32]) -> Waveform:
    """Average the channels of a (sample, channel) block."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def normalise(waveform: Waveform) -> Waveform:
    """Scale a (sample,) waveform to zero mean and unit variance.

    The result equals transformers' ``Wav2Vec2FeatureExtractor`` with ``do_normalize`` for one file.
    """
    scale = np.sqrt(waveform.var() + NORMALISATION_EPSILON)
    return ((waveform - waveform.mean()) / scale).astype(np.float32, copy=False)


def _checked(waveform: Waveform, shortest: int, sha256: str) -> Recording:
    if len(waveform) < shortest:
        raise AudioError(
            f"{len(waveform) / SAMPLING_RATE:.3f} s is too short: "
            f"the encoder needs {shortest / SAMPLING_RATE:.3f} s"
        )
    if not waveform.any():
        raise AudioError("silent: every sample is zero")
    return Recording(waveform, len(waveform) / SAMPLING_RATE, sha256)


def _decoded(
    file: BinaryIO, start: float | None, end: float | None, max_seconds: float
) -> Iterator[Waveform]:
    """Yield blocks at 16 kHz of an open file, from `start` to `end` (seconds)."""
    if (format := _sniff(file)) is not None:
        yield from _of_container(file, format, start, end, max_seconds)
        return
    descriptor = file.fileno()  # libsndfile reads it by itself; a file object needs Python's lock
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        with soundfile.SoundFile(descriptor, closefd=False) as sound:
            _check_format(sound)
            rate = sound.samplerate
            first, frames = _span(sound.frames, rate, start, end, max_seconds)
            if first:
                sound.seek(first)
            yield from resampled(_blocks(_read(sound, frames), frames, rate, max_seconds), rate)
            if sound.format == "MP3" and end is None:
                _check_mp3(descriptor)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"damaged audio: {_reason(error)}") from None


def _of_container(
    file: BinaryIO, format: str, start: float | None, end: float | None, max_seconds: float
) -> Iterator[Waveform]:
    """Yield blocks like `_decoded`; a container is decoded from its beginning, to be exact."""
    needed = (start or 0.0) + max_seconds + 1.0 if end is None else end
    needed_seconds = None if math.isinf(needed) else needed
    with containers.opened(file.fileno(), format, needed_seconds) as sound:
        rate = sound.rate
        _check_limits(sound.channels, rate)
        first, frames = _span(sound.known, rate, start, end, max_seconds)
        stretch = _read_container(sound, first, None if end is None else frames)
        least = frames - round(PADDING * rate)
        yield from resampled(_blocks(stretch, least, rate, max_seconds), rate)


def _span(
    total: int, rate: int, start: float | None, end: float | None, max_seconds: float
) -> tuple[int, int]:
    """The first frame of a segment, and its number of frames, in a recording of `total` frames."""
    if total > UNKNOWN_FRAMES:
        raise AudioError("its header has no length; decode it to WAV")
    first = round((start or 0.0) * rate)
    last = total if end is None else round(end * rate)
    if first >= total > 0:
        raise AudioError(f"the segment starts at {start} s, after the end of the recording")
    if last - first > max_seconds * rate:
        raise _too_long(f"{(last - first) / rate:.0f} s", max_seconds)
    return first, last - first


def _too_long(seconds: str, max_seconds: float) -> AudioError:
    return AudioError(
        f"{seconds} is longer than the {max_seconds:.0f} s read at "
        "once; give segments in a table (file,start,end), or 'extract' a higher --max-seconds, "
        "or 'classify predict' a --window 3"
    )


def _check_format(sound: soundfile.SoundFile) -> None:
    if sound.format not in FORMATS or sound.subtype not in SUBTYPES:
        raise AudioError(
            f"{sound.format}/{sound.subtype} is not supported; convert it to WAV (PCM) or FLAC"
        )
    _check_limits(sound.channels, sound.samplerate)


def _check_limits(channels: int, rate: int) -> None:
    if channels > MAX_CHANNELS:
        raise AudioError(f"{channels} channels; expected at most {MAX_CHANNELS}")
    if rate not in RATES:
        raise AudioError(f"a sampling rate of {rate} Hz; expected {RATES[0]} to {RATES[-1]} Hz")


def _read(sound: soundfile.SoundFile, frames: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield (frame, channel) blocks of `frames` frames in total, if there are so many."""
    while frames > 0 and len(
        block := sound.read(min(BLOCK, frames), dtype="float32", always_2d=True)
    ):
        frames -= len(block)
        yield block


def _read_container(
    sound: containers.Sound, first: int, frames: int | None
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield (frame, channel) blocks from frame `first` on; `frames` in total, or all."""
    end = None if frames is None else first + frames
    position = 0
    for content in sound.blocks:
        block = np.frombuffer(content, "<f4").reshape(-1, sound.channels)
        stretch = block[max(0, first - position) : None if end is None else max(0, end - position)]
        position += len(block)
        if len(stretch):
            yield stretch


def _blocks(
    stretch: Iterator[npt.NDArray[np.float32]], frames: int, rate: int, max_seconds: float
) -> Iterator[Waveform]:
    """Yield mono blocks, which must have at least `frames` frames in total."""
    count = 0
    for block in stretch:
        if not np.isfinite(block).all():
            raise AudioError("its samples contain NaN or infinity; export it again as PCM")
        count += len(block)
        if count > max_seconds * rate:
            raise _too_long("the recording", max_seconds)
        yield _mono(block)
    if count < frames:
        raise AudioError(
            f"cut short, or a segment beyond its end: expected {frames / rate:.3f} s, "
            f"found {count / rate:.3f} s"
        )
    if not count:
        raise AudioError("contains no samples")


def resampled(blocks: Iterator[Waveform], rate: int) -> Iterator[Waveform]:
    """Resample blocks to 16 kHz; the result equals that of all blocks at once."""
    if rate == SAMPLING_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _check_mp3(descriptor: int) -> None:
    """Refuse an MP3 of variable rate without a header.

    libsndfile estimates its length from the first frames, and may stop before its end.
    """
    read = os.lseek(descriptor, 0, os.SEEK_CUR)
    if read < MP3_READ * os.fstat(descriptor).st_size:
        raise AudioError("an MP3 of unknown length (variable rate, no header); convert it to FLAC")


def _sniff(file: BinaryIO) -> str | None:
    """The format of a container, or None; refuse what is not audio, and invalid WAV files.

    The first bytes decide, not the name.
    """
    head = file.read(12)
    file.seek(0)
    if not head:
        raise AudioError("an empty file")
    mp3 = head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        _check_wave(file)
        file.seek(0)
    elif not mp3 and head[:4] not in (b"fLaC", b"OggS"):
        if (format := containers.format_of(head)) is not None:
            return format
        raise AudioError("not audio: neither WAV, FLAC, OGG, MP3 nor a container by its content")
    return None


def _check_wave(file: BinaryIO) -> None:
    """Refuse a WAV file that is damaged, cut short, or has an unsupported coding."""
    size = os.fstat(file.fileno()).st_size
    coding = None
    for name, position, length in wave_chunks(file):
        if name == b"fmt ":
            coding = wave_coding(file.read(min(length, 40)))
            if coding not in WAVE_CODINGS:
                expected = ", ".join(WAVE_CODINGS.values())
                raise AudioError(f"WAV coding {coding:#06x}; expected {expected}; convert it")
        elif name == b"data" and coding is not None:
            missing = position + length - size
            if missing > 0 and not any(length in streamed for streamed in STREAMED):
                raise AudioError(f"cut short: {missing} of {length} bytes of audio are missing")
            return
    raise AudioError("a WAV file without a format or data chunk: damaged or cut short")


def wave_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, position and length of the content of each chunk of a WAV file.

    The file is positioned at the content. At most `MAX_CHUNKS` chunks are read.
    """
    position = 12
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return
        name, length = struct.unpack("<4sI", header)
        yield name, position + 8, length
        position += 8 + length + length % 2


def wave_coding(chunk: bytes) -> int:
    """The coding tag of a ``fmt `` chunk, which an extensible chunk has in its GUID."""
    tag = int.from_bytes(chunk[:2], "little")
    return int.from_bytes(chunk[24:26], "little") if tag == EXTENSIBLE else tag


def _reason(error: soundfile.LibsndfileError) -> str:
    """The message of libsndfile without the descriptor of the file."""
    message = error.error_string.removeprefix("Error : ").rstrip(".")
    return "invalid header" if "does not exist" in message else message
