"""ASVP-ESD: speech and other voiced sounds from films and the web, in thirteen emotions.

File names have eight or more codes, ``Audio/actor_36/03-01-09-01-06-36-02-02-01-39.wav``: modality,
vocal channel, emotion, intensity, statement, actor, age, source, language. Actors with even numbers
are male. Some folders have no number, and others another one than the name, which is used. Tables
of the language's codes disagree, so languages are unknown.
"""

import re

from data.corpora.tree import Fields, numbered
from data.vocabulary import english

TITLE = "ASVP-ESD, Audio, Speech and Vision Processing Lab Emotional Sound Database"
SIZE = None  # versions differ
ORIGIN = "https://zenodo.org/records/7132783"
CITATION = (
    "Touko Landry, He & Xie. The Audio, Speech and Vision Processing Lab Emotional Sound database "
    "(ASVP-ESD). Zenodo. doi:10.5281/zenodo.7132783."
)

LANGUAGES: tuple[str, ...] = ()
LABELS = english("boredom", "neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised",
                 "excited", "pleasure", "pain", "disappointed") | {"breath": None}  # fmt: skip
VALUES = {
    "vocal_channel": {"01": "speech", "02": "non-speech"},
    "emotion": numbered(LABELS),
    "intensity": {"01": "normal", "02": "high"},
    "age_group": {"01": "over 65", "02": "20 to 64", "03": "under 20", "04": "baby"},
}

GRAMMAR = re.compile(
    r"\d\d-(?P<vocal_channel>0[12])-(?P<emotion>0[1-9]|1[0-3])-(?P<intensity>\d\d)-\d+"
    r"-(?P<speaker>\d+)-(?P<age_group>\d+)(?:-\d+)+"
)


def fields(codes: re.Match[str]) -> Fields:
    return {"sex": "female" if int(codes["speaker"]) % 2 else "male"}
