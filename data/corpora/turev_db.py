"""TurEV-DB: six speakers of Turkish say words in four emotions.

Files are ``Sound Source/Calm/1984_sk_orgu.wav``: speaker, initials of the Turkish emotion, word.
The initials are the same for all recordings of an emotion, so they are no speakers.
"""

import re

from data.vocabulary import english

TITLE = "TurEV-DB, Turkish Emotion-Voice Database"
SIZE = 1735
ORIGIN = "https://github.com/Xeonen/TurEV-DB"
TERMS = "CC BY-NC-ND 4.0"
CITATION = (
    "Canpolat, Ormanoğlu & Zeyrek (2020). Turkish Emotion Voice Database (TurEV-DB). Joint "
    "Workshop of SLTU and CCURL, 368-375."
)

LANGUAGES = ("tr",)
LABELS = english("Angry", "Calm", "Happy", "Sad")

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<name>(?P<emotion>{'|'.join(LABELS)})/(?P<speaker>\d{{4}})_(?:kz|sk|mt|hl)"
    r"_(?P<word>[^/]+))"
)
