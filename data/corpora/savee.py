"""SAVEE: four Englishmen read 120 sentences each in seven emotions.

Files are ``DC_a01.wav`` or ``DC/a01.wav``: speaker, emotion (one letter, or ``sa`` and ``su``),
sentence. A number stands for another sentence in each emotion.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import beginnings

TITLE = "SAVEE, Surrey Audio-Visual Expressed Emotion"
SIZE = 480
ORIGIN = "http://kahlan.eps.surrey.ac.uk/savee/"
CITATION = (
    "Haq & Jackson (2010). Multimodal emotion recognition. In Machine Audition: Principles, "
    "Algorithms and Systems, IGI Global, 398-423."
)

LANGUAGES = ("en",)
LABELS = {
    **beginnings(1, "anger", "disgust", "fear", "happiness", "neutral"),
    **beginnings(2, "sadness", "surprise"),
}

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<speaker>DC|JE|JK|KL)[_/](?P<sentence>(?P<emotion>{'|'.join(LABELS)})\d\d)"
)


def name(codes: re.Match[str]) -> str:
    return f"{codes['speaker']}_{codes['sentence']}"


def fields(codes: re.Match[str]) -> Fields:
    return {"sex": "male"}
