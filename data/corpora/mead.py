"""MEAD: English-speaking actors talk in eight emotions at three intensities.

Files are ``W019/audio/neutral/level_1/020.m4a``: speaker (with the sex), emotion, intensity, clip.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Fields, Tree, mostly, read_names
from data.utterance import Utterance

TITLE = "MEAD, Multi-view Emotional Audio-visual Dataset"
SIZE = None  # published in parts
ORIGIN = "https://github.com/uniBruce/Mead"
TERMS = "see its page"
CITATION = (
    "Wang, Wu, Song, Yang, Wu, Qian, He, Qiao & Loy (2020). MEAD: A large-scale audio-visual "
    "dataset for emotional talking-face generation. ECCV."
)

LANGUAGES = ("en",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "angry": "anger",
    "contempt": "contempt",
    "disgusted": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprised": "surprise",
}
SEXES = {"M": "male", "W": "female"}
INTENSITIES = {"1": "weak", "2": "medium", "3": "strong"}

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<speaker>[MW]\d{{3}})/audio/(?P<emotion>{'|'.join(LABELS)})"
    r"/level_(?P<intensity>[1-3])/(?P<clip>\d+)"
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have paths of MEAD."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings; neutral has no intensity."""
    return read_names(tree, GRAMMAR, "mead", _fields, lambda codes: "/".join(codes.groups()))


def _fields(codes: re.Match[str]) -> Fields:
    neutral = codes["emotion"] == "neutral"
    return {
        "sex": SEXES[codes["speaker"][0]],
        "intensity": None if neutral else INTENSITIES[codes["intensity"]],
    }
