"""MEAD: English-speaking actors talk in eight emotions at three intensities.

Files are ``W019/audio/neutral/level_1/020.m4a``: speaker (with the sex), emotion, intensity, clip.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import english

TITLE = "MEAD, Multi-view Emotional Audio-visual Dataset"
SIZE = None  # published in parts
ORIGIN = "https://github.com/uniBruce/Mead"
CITATION = (
    "Wang, Wu, Song, Yang, Wu, Qian, He, Qiao & Loy (2020). MEAD: A large-scale audio-visual "
    "dataset for emotional talking-face generation. ECCV."
)

LANGUAGES = ("en",)
LABELS = english("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
VALUES = {
    "sex": {"M": "male", "W": "female"},
    "intensity": {"1": "weak", "2": "medium", "3": "strong"},
}

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<speaker>(?P<sex>[MW])\d{{3}})/audio/(?P<emotion>{'|'.join(LABELS)})"
    r"/level_(?P<intensity>[1-3])/(?P<clip>\d+)"
)


def name(codes: re.Match[str]) -> str:
    return "/".join(codes.group("speaker", "emotion", "intensity", "clip"))


def fields(codes: re.Match[str]) -> Fields:
    """Neutral has no intensity."""
    return {"intensity": None} if codes["emotion"] == "neutral" else {}
