"""MESD: Mexican women, men and children say words in six emotions.

Files are ``Anger_F_B_ofensa.wav``: emotion, voice, list of words, word. The voice is a group (F
women, M men, C children), and the speakers are unknown.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import SEXES, Fields, Tree, mostly, read_names
from data.utterance import Utterance

TITLE = "MESD, Mexican Emotional Speech Database"
SIZE = 864
ORIGIN = "https://data.mendeley.com/datasets/cy34mh68j9"
TERMS = "see its page"
CITATION = (
    "Duville, Alonso-Valerdi & Ibarra-Zarate (2021). Mexican Emotional Speech Database based on "
    "semantic, frequency, familiarity, concreteness, and cultural shaping of affective prosody. "
    "Data 6(12): 130."
)

LANGUAGES = ("es",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "Anger": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happiness": "happiness",
    "Neutral": "neutral",
    "Sadness": "sadness",
}

GRAMMAR = re.compile(
    rf"(?P<emotion>{'|'.join(LABELS)})_(?P<age_group>[FMC])_(?P<word_list>[AB])_(?P<word>.+)"
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of MESD."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings; the sex of children is unknown."""
    return read_names(tree, GRAMMAR, "mesd", _fields)


def _fields(codes: re.Match[str]) -> Fields:
    voice = codes["age_group"]
    return {"sex": SEXES.get(voice), "age_group": "child" if voice == "C" else "adult"}
