"""A small source–filter synthesiser: phones and a voice in, speech-like sound out.

The source is a glottal pulse train (KLGLOTT88, Klatt & Klatt 1990) with jitter, shimmer, flutter,
spectral tilt and aspiration noise; the vocal tract is a cascade of five resonators (Klatt 1980)
that glide between the targets of the phones; bursts and fricatives are band-passed noise beside it.

References:
    Klatt (1980), Software for a cascade/parallel formant synthesizer, JASA 67, 971–995.
    Klatt & Klatt (1990), Analysis, synthesis, and perception of voice quality variations among
    female and male talkers, JASA 87, 820–857.
    Peterson & Barney (1952), Control methods used in a study of the vowels, JASA 24, 175–184.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

RATE = 16_000  # samples per second
FRAME = 80  # samples: the vocal tract stands still for 5 ms at a time
FRAME_RATE = RATE // FRAME  # frames per second

Floats = NDArray[np.float64]

NEUTRAL_TRACT = np.array([500.0, 1500.0, 2500.0])  # Hz, a uniform tube of 17.5 cm
UPPER_FORMANTS = np.array([3500.0, 4500.0])  # Hz
BANDWIDTHS = np.array([70.0, 90.0, 130.0, 220.0, 300.0])  # Hz


@dataclass(frozen=True, slots=True)
class Phone:
    """What the articulators and the glottis aim at for a while.

    Amplitudes are root mean squares; the pulses of a vowel have 1.
    """

    seconds: float
    formants: tuple[float, float, float]  # Hz, of an adult man
    voicing: float = 0.0
    aspiration: float = 0.0
    noise: float = 0.0  # frication or burst
    noise_centre: float = 4000.0  # Hz
    noise_bandwidth: float = 2000.0  # Hz


@dataclass(frozen=True, slots=True)
class Voice:
    """How one speaker's larynx and vocal tract are set during one utterance."""

    formant_scale: float  # 17.5 cm / vocal-tract length
    vowel_space: float  # distance of formants from the neutral tract; 1 as in `PHONES`
    open_quotient: float  # part of a glottal cycle during which the glottis is open
    high_energy: float  # amplitude at 3 kHz after the tilt filter; 1 is the untilted pulse
    aspiration: float  # amplitude of the breath noise in a voice of amplitude 1
    jitter: float  # standard deviation of a cycle's length / its length
    shimmer: float  # standard deviation of a cycle's amplitude / its amplitude


def _vowel(f1: float, f2: float, f3: float) -> tuple[Phone, ...]:
    return (Phone(0.13, (f1, f2, f3), voicing=1.0),)


def _stop(
    locus: tuple[float, float, float], burst: float, bandwidth: float, voiced: bool
) -> tuple[Phone, ...]:
    closure = Phone(0.045, locus, voicing=0.12 if voiced else 0.0)
    release = Phone(0.012, locus, noise=0.5, noise_centre=burst, noise_bandwidth=bandwidth)
    after = Phone(0.025, locus, aspiration=0.15)
    return (closure, release) if voiced else (closure, release, after)


LABIAL, ALVEOLAR, VELAR = (350.0, 950.0, 2250.0), (350.0, 1750.0, 2650.0), (350.0, 2000.0, 2300.0)

# Vowels: means of 33 men, Peterson & Barney (1952). Consonants: round values near Klatt's (1980).
PHONES: dict[str, tuple[Phone, ...]] = {
    "a": _vowel(730, 1090, 2440),
    "e": _vowel(530, 1840, 2480),
    "i": _vowel(270, 2290, 3010),
    "o": _vowel(570, 840, 2410),
    "u": _vowel(300, 870, 2240),
    "m": (Phone(0.065, (270, 950, 2200), voicing=0.35),),
    "n": (Phone(0.060, (270, 1600, 2500), voicing=0.35),),
    "l": (Phone(0.055, (340, 1150, 2800), voicing=0.5),),
    "r": (Phone(0.050, (350, 1150, 1550), voicing=0.5),),
    "j": (Phone(0.055, (270, 2200, 2950), voicing=0.6),),
    "w": (Phone(0.055, (290, 700, 2150), voicing=0.6),),
    "s": (Phone(0.085, ALVEOLAR, noise=0.2, noise_centre=5800, noise_bandwidth=2200),),
    "S": (Phone(0.085, (320, 1850, 2550), noise=0.2, noise_centre=3200, noise_bandwidth=1500),),
    "f": (Phone(0.075, LABIAL, noise=0.12, noise_centre=5000, noise_bandwidth=5000),),
    "z": (Phone(0.065, ALVEOLAR, voicing=0.3, noise=0.1, noise_centre=5800, noise_bandwidth=2200),),
    "v": (Phone(0.055, LABIAL, voicing=0.4, noise=0.06, noise_centre=5000, noise_bandwidth=5000),),
    "h": (Phone(0.055, (500, 1500, 2500), aspiration=0.2),),
    "p": _stop(LABIAL, 900, 900, voiced=False),
    "t": _stop(ALVEOLAR, 4200, 2500, voiced=False),
    "k": _stop(VELAR, 2000, 800, voiced=False),
    "b": _stop(LABIAL, 900, 900, voiced=True),
    "d": _stop(ALVEOLAR, 4200, 2500, voiced=True),
    "g": _stop(VELAR, 2000, 800, voiced=True),
}


def synthesise(
    phones: Sequence[Phone],
    durations: NDArray[np.int64],
    loudness: Floats,
    f0: Floats,
    voice: Voice,
    rng: np.random.Generator,
) -> Floats:
    """Speak phones.

    Args:
        phones: what is said, with a silent phone at each end for a quiet margin.
        durations: (phone,) in frames of 5 ms.
        loudness: (phone,) factor on every amplitude of the phone.
        f0: (frame,) fundamental frequency in Hz, also where there is no voice.
        voice: the speaker's larynx and vocal tract.
        rng: draws the noise, jitter and shimmer.

    Returns:
        (sample,) sound pressure in arbitrary units.
    """
    targets = np.array([p.formants for p in phones])
    targets = NEUTRAL_TRACT + voice.vowel_space * (targets - NEUTRAL_TRACT)
    upper = np.broadcast_to(UPPER_FORMANTS, (len(phones), len(UPPER_FORMANTS)))
    formants = _glide(np.concatenate([targets, upper], axis=1), durations, seconds=0.07)
    formants *= voice.formant_scale

    def amplitude(of: Sequence[float], seconds: float) -> Floats:
        track = _glide(np.array(of)[:, None] * loudness[:, None], durations, seconds)
        return _to_samples(track[:, 0])

    voicing = amplitude([p.voicing for p in phones], 0.03)
    aspiration = amplitude([p.aspiration for p in phones], 0.03)
    frication = amplitude([p.noise for p in phones], 0.015)

    flow, is_open = _glottal_flow(_to_samples(f0), voice, rng)
    # Differencing the sampled flow, and not sampling its derivative, keeps aliasing low.
    pulses = _tilt(np.diff(flow, prepend=0.0), voice.high_energy)
    pulses /= np.sqrt(np.mean(pulses**2))
    breath, turbulence = rng.standard_normal((2, len(pulses)))
    breathy = voice.aspiration * (0.3 + is_open) * breath
    bandwidths = BANDWIDTHS * (0.7 + 0.5 * voice.open_quotient)  # an open glottis damps formants
    sound = _filter(
        voicing * (pulses + breathy) + aspiration * breath, *_resonators(formants, bandwidths)
    )

    centres = np.minimum(7000, voice.formant_scale * np.array([p.noise_centre for p in phones]))
    widths = np.array([p.noise_bandwidth for p in phones])
    sections = _band_passes(np.repeat(centres, durations), np.repeat(widths, durations))
    return sound + _filter(frication * turbulence, *sections)


def _glottal_flow(f0: Floats, voice: Voice, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Glottal flow t²(1−t) in the open phase (KLGLOTT88), and 1 where the glottis is open."""
    seconds = np.arange(len(f0)) / RATE
    flutter = sum(np.sin(2 * np.pi * (hz * seconds + rng.random())) for hz in (12.7, 7.1, 4.7))
    f0 = f0 * (1 + 0.005 * flutter)
    cycle = np.cumsum(f0 / RATE).astype(np.int64)
    cycles = cycle[-1] + 2
    lengths = 1 + voice.jitter * rng.standard_normal(cycles).clip(-3, 3)
    phase = np.cumsum(f0 / RATE / lengths[cycle])
    cycle = np.minimum(phase.astype(np.int64), cycles - 1)
    heights = 1 + voice.shimmer * rng.standard_normal(cycles).clip(-3, 3)
    time = (phase % 1) / voice.open_quotient
    is_open = (time < 1).astype(np.float64)
    flow = heights[cycle] * is_open * 27 / 4 * time**2 * (1 - time)  # t²(1−t) is at most 4/27
    return flow, is_open


def _tilt(signal: Floats, high_energy: float) -> Floats:
    """One-pole low-pass with gain 1 at 0 Hz and `high_energy` at 3 kHz (TL in Klatt & Klatt)."""
    gain = min(high_energy, 0.999) ** 2
    # |H|² = (1−p)² / (1 − 2p·cos ω + p²) = gain, solved for the pole p inside the unit circle.
    cosine = np.cos(2 * np.pi * 3000 / RATE)
    half = (1 - gain * cosine) / (1 - gain)
    pole = half - np.sqrt(half**2 - 1)
    return np.asarray(lfilter([1 - pole], [1, -pole], signal))


def _resonators(frequencies: Floats, bandwidths: Floats) -> tuple[Floats, Floats]:
    """A cascade of (frame, formant) second-order resonators, with gain 1 at 0 Hz.

    Returns:
        Coefficients (frame, 1) of the numerators and (frame, 1 + 2·formants) of the denominators.
    """
    radius = np.exp(-np.pi * bandwidths / RATE)
    linear = -2 * radius * np.cos(2 * np.pi * frequencies / RATE)
    denominator = np.ones((len(frequencies), 1))
    for formant in range(frequencies.shape[1]):
        product = np.pad(denominator, ((0, 0), (0, 2)))
        product[:, 1:-1] += linear[:, formant, None] * denominator
        product[:, 2:] += radius[formant] ** 2 * denominator
        denominator = product
    return denominator.sum(axis=1, keepdims=True), denominator


def _band_passes(centres: Floats, bandwidths: Floats) -> tuple[Floats, Floats]:
    """Second-order band-passes with gain about 1 at their centre, two times (frame, 3)."""
    radius = np.exp(-np.pi * bandwidths / RATE)
    gain, zero = (1 - radius**2) / 2, np.zeros_like(radius)
    linear = -2 * radius * np.cos(2 * np.pi * centres / RATE)
    return np.stack([gain, zero, -gain], 1), np.stack([zero + 1, linear, radius**2], 1)


def _filter(signal: Floats, numerators: Floats, denominators: Floats) -> Floats:
    """Filter by (frame, coefficient) polynomials in z⁻¹ that change every `FRAME` samples."""
    state = np.zeros(max(numerators.shape[1], denominators.shape[1]) - 1)
    output = np.zeros_like(signal)
    for start, b, a in zip(range(0, len(signal), FRAME), numerators, denominators, strict=True):
        stop = start + FRAME
        if signal[start:stop].any():
            output[start:stop], state = lfilter(b, a, signal[start:stop], zi=state)
        else:
            state[:] = 0
    return output


def _glide(targets: Floats, frames: NDArray[np.int64], seconds: float) -> Floats:
    """Hold each of (phone, n) targets for its frames, then round the steps: (frame, n)."""
    window = np.hanning(round(seconds * FRAME_RATE) + 2)[1:-1]
    window /= window.sum()
    left, right = len(window) // 2, (len(window) - 1) // 2
    steps = np.pad(np.repeat(targets, frames, axis=0), ((left, right), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, window, mode="valid") for column in steps.T], axis=1)


def _to_samples(track: Floats) -> Floats:
    """Interpolate (frame,) values, each in the middle of its frame, to (sample,)."""
    middles = np.arange(len(track)) * FRAME + FRAME / 2
    return np.interp(np.arange(len(track) * FRAME), middles, track)
