"""A small corpus of synthetic emotional speech for trying the program.

Six speakers say six sentences of vowels in five emotions. Glottal pulses (Klatt & Klatt 1990, JASA
87, 820–857) with breath are filtered by three formants (Klatt 1980, JASA 67, 971–995). The
emotions change the voice in the directions that Juslin & Laukka (2003, Psychological Bulletin 129,
770–814) and, for breath, Murray & Arnott (1993, JASA 93, 1097–1108) report. The sizes of the
changes are chosen so that a classifier confuses some emotions. The corpus permits no conclusions
about real speech.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import lfilter, sosfilt

from data import spreadsheet
from data.errors import UsageError
from data.recording import SAMPLING_RATE

TABLE = "demo.csv"
COLUMNS = ("file", "emotion", "speaker", "sex", "sentence")
RATE = SAMPLING_RATE
Floats = NDArray[np.float64]

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")
STRENGTH = (0.8, 1.3)  # range of the strength of an emotion in a recording; 1 is the size in CUES
# Ratios to the neutral voice, one column per emotion in the order of EMOTIONS. The last column is
# the standard deviation of the logarithm of the cue between recordings.
CUES = {
    "f0": (1.20, 1.65, 1.45, 1.00, 0.85, 0.10),  # fundamental frequency
    "accent": (1.60, 0.70, 1.80, 1.00, 0.55, 0.20),  # size of the rises of f0
    "rate": (1.15, 1.30, 1.12, 1.00, 0.75, 0.07),
    "intensity": (2.20, 0.80, 1.50, 1.00, 0.50, 0.15),
    "cutoff": (3.50, 0.22, 0.75, 1.00, 0.40, 0.15),  # spectral tilt, beside that of f0
    "breath": (0.70, 2.20, 1.20, 1.00, 3.00, 0.25),
    "jitter": (2.00, 3.50, 0.80, 1.00, 1.50, 0.25),
}

# Hz, means of 33 men: Peterson & Barney (1952), JASA 24, 175–184.
FORMANTS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
BANDWIDTHS = np.array([80, 100, 140])  # Hz
# One vowel per syllable; a capital letter is stressed.
SENTENCES = {
    "s1": "aIoaEa",
    "s2": "OeiAu",
    "s3": "eAioUa",
    "s4": "AaeoIao",
    "s5": "aUeAo",
    "s6": "eOiAae",
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A neutral voice."""

    name: str
    sex: str
    f0: float  # Hz, geometric mean over a recording
    formants: float  # ratio to FORMANTS
    rate: float  # syllables per second


SPEAKERS = (
    Speaker("f1", "female", 196, 1.10, 5.2),
    Speaker("f2", "female", 214, 1.14, 5.6),
    Speaker("f3", "female", 228, 1.12, 5.0),
    Speaker("m1", "male", 98, 0.98, 4.9),
    Speaker("m2", "male", 112, 1.00, 5.2),
    Speaker("m3", "male", 127, 1.02, 5.5),
)


def write(root: Path, seed: int = 0) -> tuple[int, float]:
    """Write ``root/wav/<speaker>_<emotion>_<sentence>.wav`` and then the table of all recordings.

    An existing demo corpus is overwritten. The same seed gives the same bytes.

    Returns:
        The number of recordings and their total length in seconds.

    Raises:
        UsageError: `root` contains other files, or the seed is negative.
    """
    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or a positive integer")
    recordings = {
        f"wav/{speaker.name}_{emotion}_{sentence}.wav": (speaker, emotion, sentence)
        for speaker, emotion, sentence in product(SPEAKERS, EMOTIONS, SENTENCES)
    }
    _refuse_other_content(root, recordings)
    (root / "wav").mkdir(parents=True, exist_ok=True)
    rows: list[Sequence[str]] = [COLUMNS]
    samples = 0
    for file, (speaker, emotion, sentence) in recordings.items():
        speech = speak(speaker, emotion, sentence, seed)
        wavfile.write(root / file, RATE, speech)
        rows.append((file, emotion, speaker.name, speaker.sex, sentence))
        samples += len(speech)
    with open(root / TABLE, "w", encoding="utf-8") as table:
        spreadsheet.write(table, rows)
    return len(recordings), samples / RATE


def speak(speaker: Speaker, emotion: str, sentence: str, seed: int) -> NDArray[np.int16]:
    """Synthesise one recording, (sample,) at `RATE`; it depends only on the arguments."""
    rng = np.random.default_rng([seed, *f"{speaker.name}/{emotion}/{sentence}".encode()])
    column, strength = EMOTIONS.index(emotion), rng.uniform(*STRENGTH)
    cue = {name: row[column] ** strength * rng.lognormal(0, row[-1]) for name, row in CUES.items()}

    vowels = SENTENCES[sentence]
    stress = np.array([float(vowel.isupper()) for vowel in vowels])
    seconds = (0.9 + 0.3 * stress) * rng.lognormal(0, 0.1, len(vowels))
    ends = np.cumsum(seconds / (speaker.rate * cue["rate"]) * RATE).astype(int)
    starts = np.array([0, *ends[:-1]])
    semitones = 4 * cue["accent"] * stress - np.linspace(0, 3, len(vowels))
    contour = np.interp(np.arange(ends[-1]), (starts + ends) / 2, semitones)
    f0 = speaker.f0 * cue["f0"] * 2 ** ((contour - contour.mean()) / 12)
    source = _glottis(f0, 0.008 * cue["jitter"], 0.05 * cue["breath"], 700 * cue["cutoff"], rng)

    sound = np.zeros(len(source) + RATE // 8)  # with 1/16 s of silence before and after
    state = np.zeros((3, 2))
    for vowel, start, end, accent in zip(vowels, starts, ends, stress, strict=True):
        pulse = (0.7 + 0.5 * accent) * np.sin(np.linspace(0, np.pi, end - start)) ** 0.5
        formants = speaker.formants * np.array(FORMANTS[vowel.lower()])
        place = slice(RATE // 16 + start, RATE // 16 + end)
        sound[place], state = resonate(pulse * source[start:end], formants, state)
    sound *= 0.05 * cue["intensity"] / np.sqrt(np.mean(sound**2))
    sound += 3e-4 * rng.standard_normal(len(sound))  # room noise
    sound *= min(1.0, 0.98 / np.abs(sound).max())
    return np.rint(sound * 32767).astype(np.int16)


def _glottis(
    f0: Floats, jitter: float, breath: float, cutoff: float, rng: np.random.Generator
) -> Floats:
    """Synthesise glottal pulses of amplitude 1 with breath noise, (sample,).

    Args:
        f0: (sample,) fundamental frequency in Hz.
        jitter: standard deviation of the frequency of a cycle, relative to `f0`.
        breath: standard deviation of the noise.
        cutoff: of the low-pass filter, in Hz.
        rng: source of random numbers.
    """
    cycle = np.cumsum(f0 / RATE).astype(int)
    phase = np.cumsum(f0 / RATE * (1 + jitter * rng.standard_normal(cycle[-1] + 1)[cycle])) % 1
    opened = np.minimum(phase / 0.6, 1)  # the glottis is open for 60 % of a cycle
    flow = 2 * opened - 3 * opened**2 + (opened == 1)  # derivative of the flow
    decay = np.exp(-2 * np.pi * cutoff / RATE)
    return lfilter([1 - decay], [1, -decay], flow + breath * rng.standard_normal(len(f0)))


def resonate(signal: Floats, formants: Floats, state: Floats) -> tuple[Floats, Floats]:
    """Filter `signal`, (sample,), by a resonator for each of the (3,) formants in Hz.

    Returns:
        The filtered signal, and the new `state`, (formant, 2). The first state is zero.
    """
    radius = np.exp(-np.pi * BANDWIDTHS / RATE)
    linear = -2 * radius * np.cos(2 * np.pi * formants / RATE)
    one, zero = np.ones(3), np.zeros(3)
    sections = np.stack([1 + linear + radius**2, zero, zero, one, linear, radius**2], axis=1)
    return sosfilt(sections, signal, zi=state)


def _refuse_other_content(root: Path, recordings: Iterable[str]) -> None:
    """Raise a UsageError unless `root` is new, empty, or a complete or partial demo corpus."""
    if not root.exists():
        return
    if not root.is_dir():
        raise UsageError(f"{root} is a file; name a new folder for the demo corpus")
    if (root / TABLE).is_file():
        with open(root / TABLE, encoding="utf-8", errors="replace") as table:
            foreign = None if table.readline().strip() == ",".join(COLUMNS) else root / TABLE
    else:
        ours = {root / file for file in recordings}
        foreign = next((p for p in root.rglob("*") if not p.is_dir() and p not in ours), None)
    if foreign:
        raise UsageError(
            f"{root} contains other files than a demo corpus ({foreign.relative_to(root)}); "
            "name a new folder"
        )
