"""BanglaSER: 34 speakers of Bangla say three sentences in five emotions, three times each.

File names have the seven codes of RAVDESS, ``03-01-02-01-03-01-34.wav``: modality, vocal channel,
emotion, intensity, sentence, repetition, actor. Actors with odd numbers are male. The third
sentence, the third repetition, and actors above 24 tell the corpus from RAVDESS.
"""

import re

from data.corpora.tree import Fields, Tree, mostly, numbered
from data.vocabulary import english

TITLE = "BanglaSER, Bangla speech emotion recognition dataset"
SIZE = 1467
ORIGIN = "https://data.mendeley.com/datasets/t9h6p943xy/5"
CITATION = (
    "Das, Islam, Ahmed, Islam, Shatabda & Islam (2022). BanglaSER: A speech emotion recognition "
    "dataset for the Bangla language. Data in Brief 42: 108091."
)

LANGUAGES = ("bn",)
LABELS = english("happy", "sad", "angry", "surprise", "neutral")  # in the order of the codes
VALUES = {"emotion": numbered(LABELS), "intensity": {"01": "normal", "02": "strong"}}

GRAMMAR = re.compile(
    r"03-01-(?P<emotion>0[1-5])-(?P<intensity>0[12])-(?P<sentence>0[1-3])"
    r"-(?P<repetition>0[1-3])-(?P<speaker>0[1-9]|[12]\d|3[0-4])"
)
RAVDESS = re.compile(r".*-0[12]-0[12]-(?:[01]\d|2[0-4])")


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of BanglaSER, and not all could be of RAVDESS."""
    return mostly(tree, GRAMMAR) and any(
        GRAMMAR.fullmatch(stem) and not RAVDESS.fullmatch(stem) for stem in tree.stems
    )


def fields(codes: re.Match[str]) -> Fields:
    return {"sex": "male" if int(codes["speaker"]) % 2 else "female"}
