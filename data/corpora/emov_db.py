"""EmoV-DB: four speakers of English read sentences in five styles.

Files are ``bea_Amused/amused_1-15_0001.wav``: the folder names the speaker, the file the emotion,
a range and the sentence. The spelling of the folders and of the range varies, so the emotion is
that of the file. Not every speaker has all emotions.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import english

TITLE = "EmoV-DB, Emotional Voices Database"
SIZE = None  # copies differ
ORIGIN = "https://github.com/numediart/EmoV-DB"
CITATION = (
    "Adigwe, Tits, El Haddad, Ostadabbas & Dutoit (2018). The emotional voices database: Towards "
    "controlling the emotion dimension in voice generation systems. arXiv:1806.09514."
)

LANGUAGES = ("en",)
LABELS = english("amused", "anger", "disgust", "neutral", "sleepiness")
SEXES = {"bea": "female", "jenie": "female", "josh": "male", "sam": "male"}

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<speaker>{'|'.join(SEXES)})[_/ ][^/]*/"
    rf"(?P<name>(?P<emotion>{'|'.join(LABELS)})_\d+[-_]\d+_(?P<sentence>\d+))",
    re.IGNORECASE,
)


def name(codes: re.Match[str]) -> str:
    return f"{codes['speaker']}/{codes['name']}".lower()


def fields(codes: re.Match[str]) -> Fields:
    speaker = codes["speaker"].lower()
    return {
        "speaker": speaker,
        "emotion": codes["emotion"].lower(),
        "sex": SEXES[speaker],
    }
