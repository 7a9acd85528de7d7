"""RESD: actors play dialogues in Russian, in seven emotions.

Files are ``train/08_sadness_anger/08_sadness_anger a_010.wav``: dialogue, the emotions of its two
parts, initial of the turn's emotion, turn. Speakers are unknown; dialogues are groups.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Fields, Tree, mostly, read_names
from data.utterance import Utterance

TITLE = "RESD, Russian Emotional Speech Dialogs"
SIZE = 1396
ORIGIN = "https://huggingface.co/datasets/Aniemore/resd"
TERMS = "MIT licence"
CITATION = "Aniemore. Russian Emotional Speech Dialogs (RESD). Hugging Face. doi:10.57967/hf/1273."

LANGUAGES = ("ru",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "anger": "anger",
    "disgust": "disgust",
    "enthusiasm": "enthusiasm",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
}
INITIALS = {label[0]: label for label in LABELS}

GRAMMAR = re.compile(
    rf"(?P<dialogue>\d\d_(?:{'|'.join(LABELS)})_(?:{'|'.join(LABELS)}))"
    rf"[ _](?P<emotion>[{''.join(INITIALS)}])_\d+"
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of RESD."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings."""
    return read_names(tree, GRAMMAR, "resd", _fields)


def _fields(codes: re.Match[str]) -> Fields:
    return {"emotion": INITIALS[codes["emotion"]]}
