"""SAVEE: four Englishmen read 120 sentences each in seven emotions.

Files are ``DC_a01.wav`` or ``DC/a01.wav``: speaker, emotion (one letter, or ``sa`` and ``su``),
sentence. A number stands for another sentence in each emotion.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Fields, Tree, mostly, read_names
from data.utterance import Utterance

TITLE = "SAVEE, Surrey Audio-Visual Expressed Emotion"
SIZE = 480
ORIGIN = "http://kahlan.eps.surrey.ac.uk/savee/"
TERMS = "see its page"
CITATION = (
    "Haq & Jackson (2010). Multimodal emotion recognition. In Machine Audition: Principles, "
    "Algorithms and Systems, IGI Global, 398-423."
)

LANGUAGES = ("en",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<speaker>DC|JE|JK|KL)[_/](?P<emotion>{'|'.join(LABELS)})(?P<sentence>\d\d)"
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have names of SAVEE."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings."""
    return read_names(tree, GRAMMAR, "savee", _fields, _name)


def _name(codes: re.Match[str]) -> str:
    return f"{codes['speaker']}_{codes['emotion']}{codes['sentence']}"


def _fields(codes: re.Match[str]) -> Fields:
    return {"sex": "male", "sentence": codes["emotion"] + codes["sentence"]}
