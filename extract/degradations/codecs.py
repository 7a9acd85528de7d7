"""Telephones and codecs, by libsndfile in memory."""

import io
from typing import Any

import numpy as np
import soundfile
import soxr

from data.errors import AudioError
from extract.audio import SAMPLING_RATE
from extract.degradations.changes import passed
from extract.degradations.degradation import Given, Waveform

TELEPHONE_RATE = 8000  # Hz
TELEPHONE_BAND = (300.0, 3400.0)  # Hz
OPUS = (6.0, 256.0)  # kbit/s that libsndfile maps compression levels to, from 1 to 0
MP3 = (8.0, 160.0)  # the same, at 16 kHz (MPEG-2)
MP3_RATES = (8.0, 16.0, 24.0, 32.0, 40.0, 48.0, 56.0, 64.0, 80.0, 96.0, 112.0, 128.0, 144.0, 160.0)
MP3_DELAY = 1105  # samples of LAME's encoder and the decoder, where the file does not tell them
G711, GSM610 = ("WAV", "ULAW"), ("WAV", "GSM610")
OGG_OPUS, MPEG = ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")


def telephone(waveform: Waveform, _: Given) -> tuple[Waveform, None]:
    """A telephone line: 300 to 3400 Hz, 8 kHz, µ-law (ITU-T G.711)."""
    band = passed(passed(waveform, TELEPHONE_BAND[0], "highpass"), TELEPHONE_BAND[1], "lowpass")
    return _at_telephone_rate(band, G711), None


def gsm(waveform: Waveform, _: Given) -> tuple[Waveform, None]:
    """GSM 06.10 full rate, 13 kbit/s at 8 kHz."""
    return _at_telephone_rate(waveform, GSM610), None


def opus(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Ogg Opus of variable rate; the measured kbit/s are without the headers of the file."""
    lowest, highest = OPUS
    level = (highest - given.level) / (highest - lowest)
    size, degraded = _coded(waveform, SAMPLING_RATE, OGG_OPUS, compression_level=level)
    headers, _ = _coded(waveform[:0], SAMPLING_RATE, OGG_OPUS, compression_level=level)
    return degraded, (size - headers) * 8e-3 * SAMPLING_RATE / len(waveform)


def mp3(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """MP3 of constant rate; the measured kbit/s are those of the whole file."""
    lowest, highest = MP3
    level = min((highest - given.level) / (highest - lowest), 0.9995)  # 1 is refused
    options = {"compression_level": level, "bitrate_mode": "CONSTANT"}
    size, degraded = _coded(waveform, SAMPLING_RATE, MPEG, **options)
    if len(degraded) > len(waveform):  # at low rates, the tag that names the delay does not fit
        degraded = degraded[MP3_DELAY:]
    return _of_length(degraded, len(waveform)), size * 8e-3 * SAMPLING_RATE / len(waveform)


def _at_telephone_rate(waveform: Waveform, codec: tuple[str, str]) -> Waveform:
    narrow = soxr.resample(waveform, SAMPLING_RATE, TELEPHONE_RATE, quality="HQ")
    _, coded = _coded(narrow, TELEPHONE_RATE, codec)
    wide = soxr.resample(coded[: len(narrow)], TELEPHONE_RATE, SAMPLING_RATE, quality="HQ")
    return _of_length(wide, len(waveform))


def _coded(
    waveform: Waveform, rate: int, codec: tuple[str, str], **options: Any
) -> tuple[int, Waveform]:
    """Encode and decode; return the bytes of the file and the (sample,) waveform."""
    file, (format, subtype) = io.BytesIO(), codec
    try:
        soundfile.write(file, waveform.clip(-1, 1), rate, format=format, subtype=subtype, **options)
        size = file.tell()
        file.seek(0)
        decoded = soundfile.read(file, dtype="float32")[0] if len(waveform) else waveform
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{subtype} by libsndfile: {error.error_string}") from None
    return size, decoded


def _of_length(waveform: Waveform, length: int) -> Waveform:
    """Cut, or append zeros."""
    return np.pad(waveform[:length], (0, max(0, length - len(waveform)))).astype(np.float32)
