"""SUBESCO: 20 Bangladeshi actors say ten sentences in seven emotions, five times each.

Files are ``M_09_SHUMANTA_S_2_FEAR_2.wav``: sex, number, name, sentence, emotion, take. The numbers
repeat between the sexes, so the speaker is the sex with the number. One name ends in ``]``.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import english

TITLE = "SUBESCO, SUST Bangla Emotional Speech Corpus"
SIZE = 7000
ORIGIN = "https://zenodo.org/records/4526477"
CITATION = (
    "Sultana, Rahman, Selim & Iqbal (2021). SUST Bangla Emotional Speech Corpus (SUBESCO): An "
    "audio-only emotional speech corpus for Bangla. PLoS ONE 16(4): e0250173."
)

LANGUAGES = ("bn",)
LABELS = english("ANGRY", "DISGUST", "FEAR", "HAPPY", "NEUTRAL", "SAD", "SURPRISE")

GRAMMAR = re.compile(
    r"(?P<name>(?P<sex>[FM])_(?P<speaker>\d\d)_[A-Z]+_S_(?P<sentence>\d+)"
    rf"_(?P<emotion>{'|'.join(LABELS)})_(?P<take>\d))\]?"
)


def fields(codes: re.Match[str]) -> Fields:
    return {"speaker": codes["sex"] + codes["speaker"]}
