"""Noise at a signal-to-noise ratio over speech: white, pink, babble, or recordings of a folder."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from data.condition import Noise
from data.errors import AudioError
from extract import activity, audio
from extract.audio import SAMPLING_RATE
from extract.degradations.degradation import Given, Waveform

WHITE, PINK, BABBLE = GENERATED = ("white", "pink", "babble")
VOICES = 5  # of a babble
WHOLE = 10.0  # seconds; of a longer recording, only a stretch is read
STRETCH = 30.0  # seconds, the longest stretch; it is repeated in longer utterances
TRIES = 8  # draws of a noise that is not silent where the speech is
SILENT = 1e-3  # power over speech, relative to that of the whole noise: 30 dB below


def add_noise(waveform: Waveform, given: Given) -> tuple[Waveform, float]:
    """Add noise so that speech has the level in dB above it, where the speech is.

    The sum may exceed full scale; it is not clipped.
    """
    where = activity.speech(waveform)
    noise = _over_speech(where, given)
    factor = 10 ** (-given.level / 20) * _rms(waveform[where]) / _rms(noise[where])
    degraded = (waveform + factor * noise).astype(np.float32)
    difference = degraded.astype(float) - waveform
    return degraded, 20 * float(np.log10(_rms(waveform[where]) / _rms(difference[where])))


def _over_speech(where: np.ndarray, given: Given) -> np.ndarray:
    """(sample,) noise that is not silent over speech."""
    reason = "the noise is silent where the speech is"
    for _ in range(TRIES):
        try:
            noise = _drawn(len(where), given)
        except AudioError as error:
            reason = str(error)
            continue
        power = np.square(noise)
        if power[where].mean() > SILENT * power.mean():
            return noise
    raise AudioError(reason)


def _drawn(length: int, given: Given) -> np.ndarray:
    """(sample,) noise of any level."""
    random = given.random
    if given.kind == WHITE:
        return random.standard_normal(length)
    if given.kind == PINK:
        spectrum = np.fft.rfft(random.standard_normal(length))
        spectrum[0] = 0
        return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), length)
    if given.kind == BABBLE:
        chosen = random.permutation(len(given.noises))[:VOICES]
        return sum(
            (_voice(given.noises[number], length, random) for number in chosen), np.zeros(length)
        )
    noise = given.noises[int(random.integers(len(given.noises)))]
    return _stretch(noise, length, random).astype(float)


def _voice(noise: Noise, length: int, random: np.random.Generator) -> np.ndarray:
    """(sample,) samples of a speaker whose speech has a level of 0 dB."""
    samples = _stretch(noise, length, random).astype(float)
    return samples / max(_rms(samples[activity.speech(samples)]), 1e-9)


def _stretch(noise: Noise, length: int, random: np.random.Generator) -> Waveform:
    """(sample,) `length` samples from a random position on; a short recording is repeated."""
    start, end = noise.start or 0.0, noise.end
    position = random.random()
    if end is None or end - start <= WHOLE:
        samples = _read(noise, noise.start, end)
    else:
        seconds = min(length / SAMPLING_RATE + 0.1, STRETCH, end - start)
        first = start + position * (end - start - seconds)
        samples = _read(noise, first, first + seconds)
    if len(samples) < length:
        turned = np.roll(samples, -int(position * len(samples)))
        return np.resize(turned, length)
    first_sample = int(position * (len(samples) - length + 1))
    return samples[first_sample : first_sample + length]


def _read(noise: Noise, start: float | None, end: float | None) -> Waveform:
    state = noise.file.stat()
    try:
        return _decoded(noise.file, start, end, state.st_size, state.st_mtime_ns)
    except AudioError as error:
        raise AudioError(f"noise {noise.file}: {error}") from None


@lru_cache(maxsize=64)  # at most 64 × STRETCH: 123 MB
def _decoded(file: Path, start: float | None, end: float | None, *_: int) -> Waveform:
    """(sample,) at 16 kHz; the size and the time of change of the file are part of the key."""
    samples = np.concatenate([np.empty(0, np.float32), *audio.stream(file, start, end)])
    if not samples.any():
        raise AudioError("silent")
    return samples


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=float).mean()))
