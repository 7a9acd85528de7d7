"""Sources of a stream: standard input or a microphone."""

import logging
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from classify.inference.pcm import PCM
from classify.inference.stream.decoder import Decoder
from data.errors import AudioError, UsageError
from extract.audio import Waveform, resampled

log = logging.getLogger("wav2emo")

LONGEST_WAIT = 0.1  # seconds that standard input is waited for at once
WINDOWS = sys.platform == "win32"  # its pipes cannot be waited for
BLOCK_SECONDS = 0.02  # that are read of a microphone at once


class StandardInput:
    """A WAV file or raw PCM that is read from a file descriptor.

    Attributes:
        arrived: arrival of the last block, by `time.monotonic`.
        lost: number of times that samples were lost.
    """

    def __init__(self, descriptor: int, raw: PCM | None, seconds: float) -> None:
        """`raw` is the format of samples without a header; at most `seconds` are read at once."""
        if os.isatty(descriptor):
            raise UsageError(
                "standard input is a terminal, expected audio from a pipe: arecord -q -t wav "
                "-f S16_LE -r 16000 | python -m classify predict MODEL - --stream --live"
            )
        self.arrived = time.monotonic()
        self.lost = 0
        self._descriptor, self._raw, self._seconds = descriptor, raw, seconds

    def blocks(self) -> Iterator[Waveform]:
        """Yield (sample,) blocks at 16 kHz, waiting for each; iterate once, in one thread.

        Raises:
            AudioError: the stream is not supported audio.
            OSError: it cannot be read.
        """
        decoder = Decoder(self._read, self._raw)
        kind = "WAV" if decoder.wave else "taken as raw"
        log.info("standard input: %s, %s", kind, decoder.format)
        yield from resampled(decoder.samples(self._seconds), decoder.format.rate)

    def _read(self, count: int) -> bytes | None:
        """At most `count` bytes; None: there are none yet, so that a stopped reader can end."""
        if not WINDOWS and not select.select([self._descriptor], [], [], LONGEST_WAIT)[0]:
            return None
        data = os.read(self._descriptor, count)
        self.arrived = time.monotonic()
        return data


class Microphone:
    """A microphone by its name, or the default one (PortAudio), in the form of `StandardInput`."""

    def __init__(self, name: str = "") -> None:
        """Open the microphone; it records when `blocks` is iterated.

        Raises:
            UsageError: the extra is not installed.
            AudioError: the microphone does not exist or cannot be opened.
        """
        portaudio = _portaudio()
        device = int(name) if name.isdecimal() else name or None
        try:
            self._rate = round(portaudio.query_devices(device, "input")["default_samplerate"])
            self._stream = portaudio.InputStream(
                samplerate=self._rate, device=device, channels=1, dtype="float32"
            )
        except (ValueError, portaudio.PortAudioError) as error:
            raise AudioError(
                f"no microphone{f' {name!r}' if name else ''}: {error}; 'python -m sounddevice' "
                "lists what there is, 'mic:NAME' takes one of them"
            ) from None
        self._failure = portaudio.PortAudioError
        self.arrived = time.monotonic()
        self.lost = 0

    def blocks(self) -> Iterator[Waveform]:
        """Yield blocks as `StandardInput.blocks`.

        Raises:
            AudioError: the microphone was disconnected.
        """
        with self._stream:
            yield from resampled(self._mono(), self._rate)

    def _mono(self) -> Iterator[Waveform]:
        frames = round(BLOCK_SECONDS * self._rate)
        while True:
            try:
                block, overflowed = self._stream.read(frames)
            except self._failure as error:
                raise AudioError(f"the microphone was disconnected: {error}") from None
            self.arrived = time.monotonic()
            self.lost += overflowed
            yield np.ascontiguousarray(block[:, 0])


def _portaudio() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise UsageError("the microphone needs an extra: pip install 'wav2emo[mic]'") from None
    except OSError as error:
        raise UsageError(
            f"the microphone needs PortAudio ({error}): apt install libportaudio2, or your "
            "system's package of it"
        ) from None
    return sounddevice


Source = StandardInput | Microphone
