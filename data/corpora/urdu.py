"""URDU: Urdu talk shows, in four emotions.

Files are ``Angry/SM1_F10_A010.wav``: speaker, clip, emotion and its number. The numbers of speakers
repeat between the sexes, so the speaker is the whole first part: SM1 and SF1 differ.
"""

import re

from data.vocabulary import beginnings

TITLE = "URDU, Urdu-language speech emotion database"
SIZE = 400
ORIGIN = "https://github.com/siddiquelatif/urdu-dataset"
CITATION = (
    "Latif, Qayyum, Usman & Qadir (2018). Cross lingual speech emotion recognition: Urdu vs. "
    "Western languages. Frontiers of Information Technology, 88-93."
)

LANGUAGES = ("ur",)
LABELS = beginnings(1, "Anger", "Happiness", "Neutral", "Sadness")

GRAMMAR = re.compile(rf"(?P<speaker>S(?P<sex>[FM])\d+)_F\d+_(?P<emotion>[{''.join(LABELS)}])\d+")
