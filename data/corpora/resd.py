"""RESD: actors play dialogues in Russian, in seven emotions.

Files are ``train/08_sadness_anger/08_sadness_anger a_010.wav``: dialogue, the emotions of its two
parts, initial of the turn's emotion, turn. Speakers are unknown; dialogues are groups.
"""

import re

from data.vocabulary import english

TITLE = "RESD, Russian Emotional Speech Dialogs"
SIZE = 1396
ORIGIN = "https://huggingface.co/datasets/Aniemore/resd"
TERMS = "MIT licence"
CITATION = "Aniemore. Russian Emotional Speech Dialogs (RESD). Hugging Face. doi:10.57967/hf/1273."

LANGUAGES = ("ru",)
LABELS = english("anger", "disgust", "enthusiasm", "fear", "happiness", "neutral", "sadness")
VALUES = {"emotion": {label[0]: label for label in LABELS}}

GRAMMAR = re.compile(
    rf"(?P<dialogue>\d\d_(?:{'|'.join(LABELS)})_(?:{'|'.join(LABELS)}))"
    rf"[ _](?P<emotion>[{''.join(VALUES['emotion'])}])_\d+"
)
