"""TESS: two actresses, 64 and 26 years old, say 200 words in seven emotions.

Files are ``OAF_back_angry.wav``: speaker (older or younger adult female), word, emotion (``ps`` is
pleasant surprise). The spelling of the folders varies. One file has a misspelt speaker
(``OA_bite_neutral.wav``), and the common download contains a second copy in a nested folder.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import english

TITLE = "TESS, Toronto Emotional Speech Set"
SIZE = 2800
ORIGIN = "https://doi.org/10.5683/SP2/E8H2MF"
TERMS = "CC BY-NC-ND 4.0"
CITATION = (
    "Pichora-Fuller & Dupuis (2020). Toronto emotional speech set (TESS). Borealis. "
    "doi:10.5683/SP2/E8H2MF."
)

LANGUAGES = ("en",)
LABELS = english("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
SPEAKERS: dict[str, Fields] = {
    "OAF": {"sex": "female", "age": 64, "age_group": "older"},
    "YAF": {"sex": "female", "age": 26, "age_group": "younger"},
}

GRAMMAR = re.compile(
    rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(LABELS)})", re.IGNORECASE
)


def name(codes: re.Match[str]) -> str:
    speaker = "OAF" if codes["speaker"].upper() == "OA" else codes["speaker"].upper()
    return f"{speaker}_{codes['word'].lower()}_{codes['emotion'].lower()}"


def fields(codes: re.Match[str]) -> Fields:
    speaker, word, emotion = name(codes).split("_")
    return {"speaker": speaker, "emotion": emotion, "word": word, **SPEAKERS[speaker]}
