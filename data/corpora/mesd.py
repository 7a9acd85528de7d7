"""MESD: Mexican women, men and children say words in six emotions.

Files are ``Anger_F_B_ofensa.wav``: emotion, voice, list of words, word. The voice is a group (F
women, M men, C children), and the speakers are unknown.
"""

import re

from data.vocabulary import english

TITLE = "MESD, Mexican Emotional Speech Database"
SIZE = 864
ORIGIN = "https://data.mendeley.com/datasets/cy34mh68j9"
CITATION = (
    "Duville, Alonso-Valerdi & Ibarra-Zarate (2021). Mexican Emotional Speech Database based on "
    "semantic, frequency, familiarity, concreteness, and cultural shaping of affective prosody. "
    "Data 6(12): 130."
)

LANGUAGES = ("es",)
LABELS = english("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness")
VALUES = {  # the sex of children is unknown
    "sex": {"F": "female", "M": "male"},
    "age_group": {"F": "adult", "M": "adult", "C": "child"},
}

GRAMMAR = re.compile(
    rf"(?P<emotion>{'|'.join(LABELS)})_(?P<age_group>(?P<sex>[FMC]))"
    r"_(?P<word_list>[AB])_(?P<word>.+)"
)
