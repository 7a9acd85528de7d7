"""BAVED: 61 speakers of Arabic say seven words at three levels of emotion.

Files are ``1/12-M-21-0-1-45.wav``: speaker, sex, age, word, level, number. The levels (0 low, 1
normal, 2 high) are intensities; which emotion it is, is unknown.
"""

import re

TITLE = "BAVED, Basic Arabic Vocal Emotions Dataset"
SIZE = 1935
ORIGIN = "https://www.kaggle.com/a13x10/basic-arabic-vocal-emotions-dataset"
CITATION = "Basic Arabic Vocal Emotions Dataset (BAVED)."

LANGUAGES = ("ar",)
VALUES = {"intensity": {"0": "low", "1": "normal", "2": "high"}}
LABELS = dict.fromkeys(VALUES["intensity"].values())  # they are no emotions

GRAMMAR = re.compile(
    r"(?P<speaker>\d+)-(?P<sex>[FMfm])-(?P<age>\d+)-(?P<word>[0-6])-(?P<intensity>[0-2])(?:-\d+)?"
)
