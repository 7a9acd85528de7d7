"""ASED: 65 speakers of Amharic say sentences in five emotions.

Files are ``05Angry/a5-02-01-01-33.wav``: emotion, sentence, repetition, sex (01 female), speaker.
One name begins with a capital letter.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import beginnings

TITLE = "ASED, Amharic Speech Emotion Dataset"
SIZE = 2474
ORIGIN = "https://github.com/wgwangang/ASED_V1"
CITATION = (
    "Retta, Almekhlafi, Sutcliffe, Mhamed, Ali & Feng (2022). A new Amharic speech emotion dataset "
    "and classification benchmark. arXiv:2201.02710."
)

LANGUAGES = ("am",)
LABELS = beginnings(1, "anger", "fear", "happiness", "neutral", "sadness")
VALUES = {"sex": {"01": "female", "02": "male"}}

GRAMMAR = re.compile(
    rf"(?P<emotion>[{''.join(LABELS)}])[1-5]-(?P<sentence>\d\d)-(?P<repetition>\d\d)"
    r"-(?P<sex>0[12])-(?P<speaker>\d\d)",
    re.IGNORECASE,
)


def name(codes: re.Match[str]) -> str:
    return codes[0].lower()


def fields(codes: re.Match[str]) -> Fields:
    return {"emotion": codes["emotion"].lower()}
