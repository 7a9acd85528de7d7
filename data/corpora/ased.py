"""ASED: 65 speakers of Amharic say sentences in five emotions.

Files are ``05Angry/a5-02-01-01-33.wav``: emotion, sentence, repetition, sex (01 female), speaker.
One name begins with a capital letter.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Fields, Tree, mostly, read_names
from data.utterance import Utterance

TITLE = "ASED, Amharic Speech Emotion Dataset"
SIZE = 2474
ORIGIN = "https://github.com/wgwangang/ASED_V1"
TERMS = "see its page"
CITATION = (
    "Retta, Almekhlafi, Sutcliffe, Mhamed, Ali & Feng (2022). A new Amharic speech emotion dataset "
    "and classification benchmark. arXiv:2201.02710."
)

LANGUAGES = ("am",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "a": "anger",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "s": "sadness",
}
SEXES = {"01": "female", "02": "male"}

GRAMMAR = re.compile(
    rf"(?P<emotion>[{''.join(LABELS)}])[1-5]-(?P<sentence>\d\d)-(?P<repetition>\d\d)"
    r"-(?P<sex>0[12])-(?P<speaker>\d\d)",
    re.IGNORECASE,
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of ASED."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings."""
    return read_names(tree, GRAMMAR, "ased", _fields, lambda codes: codes[0].lower())


def _fields(codes: re.Match[str]) -> Fields:
    return {"emotion": codes["emotion"].lower(), "sex": SEXES[codes["sex"]]}
