"""The demo corpus's speakers, sentences and emotions, and how they sound together.

Six speakers say six meaningless sentences in five emotions. What the emotions do to the voice
(`CUES`) goes where the literature says; how far is a choice, made so that the emotions are neither
all told apart nor hardly any. It is material to try the program on, not to draw conclusions from.

Sources, by the letters that the rows of `CUES` cite:
    B  Banse & Scherer (1996), Acoustic profiles in vocal emotion expression, JPSP 70, 614–636.
    J  Juslin & Laukka (2003), Communication of emotions in vocal expression and music performance,
       Psychological Bulletin 129, 770–814.
    K  Burkhardt & Sendlmeier (2000), Verification of acoustical correlates of emotional speech
       using formant synthesis, ISCA Workshop on Speech and Emotion, 151–156.
    M  Murray & Arnott (1993), Toward the simulation of emotion in synthetic speech, JASA 93,
       1097–1108.
    S  Scherer (2003), Vocal communication of emotion, Speech Communication 40, 227–256.
Where they disagree J is followed (fear's F0 range, intensity and high frequencies), but for
anger's falling contour, which is S.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.synthesis import FRAME_RATE, PHONES, Floats, Phone, Voice, synthesise

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")

# Each cue relative to the speaker's neutral voice, one column per emotion in the order of EMOTIONS;
# last the standard deviation, of its logarithm, from recording to recording.
# fmt: off
CUES = {
    #                 anger  fear  happy neutral  sad   varies
    "f0":            (1.20,  1.65,  1.45,  1.00,  0.88,  0.04),  # B J M S: level
    "f0_range":      (1.50,  0.70,  1.80,  1.00,  0.55,  0.20),  # J M S: height of accents
    "f0_end":        (0.92,  1.15,  1.12,  1.00,  0.92,  0.05),  # J M S: contour, end / beginning
    "rate":          (1.15,  1.30,  1.12,  1.00,  0.75,  0.07),  # B J S: phones per second
    "intensity":     (2.20,  0.80,  1.50,  1.00,  0.50,  0.15),  # B J M S
    "stress":        (1.40,  1.10,  1.20,  1.00,  0.75,  0.12),  # J: variability of intensity
    "high_energy":   (3.00,  0.60,  1.10,  1.00,  0.38,  0.10),  # B J S: spectral tilt
    "open_quotient": (0.66,  1.25,  1.00,  1.00,  1.15,  0.05),  # K: tense – falsetto – lax voice
    "aspiration":    (0.70,  2.20,  1.20,  1.00,  3.00,  0.25),  # K M: breathiness
    "jitter":        (2.00,  3.50,  0.80,  1.00,  1.50,  0.25),  # J K M: irregular voicing
    "shimmer":       (2.00,  2.50,  0.80,  1.00,  1.30,  0.25),  # J: irregularity
    "vowel_space":   (1.15,  1.00,  1.05,  1.00,  0.75,  0.04),  # K M: tense, precise – slurred
    "formants":      (1.00,  1.00,  1.12,  1.00,  0.97,  0.01),  # K: spread lips of a smile
}
# fmt: on

STRENGTH = (0.9, 1.3)  # least and most that a speaker shows of an emotion; 1 is what CUES says

# Syllables of one-letter phones (`data.synthesis.PHONES`); ' marks a stressed syllable.
SENTENCES = {
    "s1": "na 'mi lo da 'se ba",
    "s2": "'so le mi 'ga tu",
    "s3": "he 'wa ri no 'bu da",
    "s4": "'Sa ne po 'li va mo",
    "s5": "ma 'ju de 'ka ro",
    "s6": "fe 'lo wi 'ma za ne",
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker's neutral voice."""

    name: str
    sex: str
    f0: float  # Hz, geometric mean over an utterance
    tract: float  # cm, length of the vocal tract
    accent: float  # semitones by which stressed syllables rise
    rate: float  # tempo; 1 is the durations in `PHONES`
    high_energy: float  # this and the next as in `Voice`
    open_quotient: float
    aspiration: float


SPEAKERS = (
    Speaker("f1", "female", 196, 15.0, 4.0, 1.00, 0.27, 0.64, 0.05),
    Speaker("f2", "female", 214, 14.4, 4.8, 1.08, 0.30, 0.62, 0.04),
    Speaker("f3", "female", 228, 14.7, 3.6, 0.95, 0.25, 0.66, 0.06),
    Speaker("m1", "male", 98, 18.0, 3.2, 0.94, 0.26, 0.56, 0.03),
    Speaker("m2", "male", 112, 17.4, 3.8, 1.00, 0.30, 0.54, 0.025),
    Speaker("m3", "male", 127, 16.8, 4.4, 1.06, 0.28, 0.58, 0.035),
)

DECLINATION = 0.82  # F0 at the end of a neutral sentence / at its beginning
FINAL_LENGTHENING = 1.4  # of a sentence's last phone
JITTER, SHIMMER = 0.008, 0.04  # of a neutral voice
LEVEL = 0.05  # root mean square of a neutral recording; 1 is full scale
ROOM = 3e-4  # amplitude of the recording's background noise
SILENCE = Phone(0.06, (500, 1500, 2500))  # before and after a sentence


def speak(speaker: Speaker, emotion: str, sentence: str, seed: int) -> NDArray[np.int16]:
    """One recording, (sample,) at `data.synthesis.RATE`.

    It depends on the arguments alone: not on what else is made, nor in which order.
    """
    rng = _generator(seed, speaker.name, emotion, sentence)
    cue = _cues(speaker, emotion, seed, rng)
    voice = Voice(
        formant_scale=17.5 / speaker.tract * cue["formants"],
        vowel_space=cue["vowel_space"],
        open_quotient=min(speaker.open_quotient * cue["open_quotient"], 0.95),
        high_energy=speaker.high_energy * cue["high_energy"],
        aspiration=speaker.aspiration * cue["aspiration"],
        jitter=JITTER * cue["jitter"],
        shimmer=SHIMMER * cue["shimmer"],
    )
    phones, stress = _phones(sentence)
    seconds = np.array([phone.seconds for phone in phones]) * rng.lognormal(0, 0.1, len(phones))
    seconds *= 1.15**stress / (speaker.rate * cue["rate"])
    frames = np.maximum(2, np.rint(seconds * FRAME_RATE)).astype(np.int64)
    fall = np.linspace(1.1, 0.7, len(phones))
    loudness = fall * (1.25 * cue["stress"]) ** stress
    f0 = (
        speaker.f0
        * cue["f0"]
        * _contour(frames, stress, speaker.accent * cue["f0_range"], DECLINATION * cue["f0_end"])
    )
    sound = synthesise(phones, frames, loudness, f0, voice, rng)
    sound *= LEVEL * cue["intensity"] / np.sqrt(np.mean(sound**2))
    sound += ROOM * rng.standard_normal(len(sound))
    sound *= min(1.0, 0.98 / np.abs(sound).max())
    return np.rint(sound * 32767).astype(np.int16)


def _generator(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *"/".join(names).encode()])


def _cues(speaker: Speaker, emotion: str, seed: int, rng: np.random.Generator) -> dict[str, float]:
    """The emotion's cues as strongly as this speaker shows them, a little different each time."""
    strength = _generator(seed, speaker.name, emotion).uniform(*STRENGTH)
    column = EMOTIONS.index(emotion)
    return {name: row[column] ** strength * rng.lognormal(0, row[-1]) for name, row in CUES.items()}


def _phones(sentence: str) -> tuple[list[Phone], Floats]:
    """The sentence's phones between silences, and the stress of each: 1, or −1 without."""
    phones, stress = [SILENCE], [0.0]
    for syllable in SENTENCES[sentence].split():
        said = [phone for letter in syllable.lstrip("'") for phone in PHONES[letter]]
        phones += said
        stress += [1.0 if syllable.startswith("'") else -1.0] * len(said)
    phones[-1] = replace(phones[-1], seconds=FINAL_LENGTHENING * phones[-1].seconds)
    return [*phones, SILENCE], np.array([*stress, 0.0])


def _contour(frames: NDArray[np.int64], stress: Floats, accent: float, end: float) -> Floats:
    """(frame,) F0 relative to its geometric mean.

    Args:
        frames: (phone,) durations.
        stress: (phone,) 1 where an accent of `accent` semitones rises and falls.
        accent: semitones.
        end: the base line's last value / its first, apart from the accents.
    """
    time = np.linspace(0, 1, frames.sum())
    line = 12 * np.log2(end) * time
    window = np.hanning(round(0.25 * FRAME_RATE))
    steps = np.repeat((stress > 0).astype(float), frames)
    accents = accent * np.convolve(steps, window / window.sum(), mode="same")
    semitones = line + accents
    return 2 ** ((semitones - semitones.mean()) / 12)
