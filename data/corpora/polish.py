"""Emotions in Polish speech: five men say six words in three emotions, five times each.

Files are ``m3.s_trzymaj_5.wav``: speaker, emotion, word, take. The emotion of ``s`` is fear.
"""

import re

TITLE = "Emotions in Polish speech recordings"
SIZE = 450
ORIGIN = "https://doi.org/10.34808/h46c-hb44"
CITATION = (
    "Mięsikowska & Świsulski (2020). Emotions in Polish speech recordings. Gdańsk University of "
    "Technology. doi:10.34808/h46c-hb44."
)

LANGUAGES = ("pl",)
LABELS = {  # native → shared emotion
    "a": "anger",
    "n": "neutral",
    "s": "fear",  # strach
}

GRAMMAR = re.compile(
    r"(?P<speaker>(?P<sex>[fm])\d)\.(?P<emotion>[ans])"
    r"_(?P<word>nie|oddaj|podaj|stop|tak|trzymaj)_(?P<take>\d)"
)
