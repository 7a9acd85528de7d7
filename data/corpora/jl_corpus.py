"""JL corpus: four New Zealanders say sentences in five primary and five secondary emotions.

Files are ``male2_concerned_6b_1.wav``: speaker, emotion, sentence, take.
"""

import re

from data.vocabulary import english

TITLE = "JL corpus"
SIZE = 2400
ORIGIN = "https://www.kaggle.com/tli725/jl-corpus"
CITATION = (
    "James, Tian & Watson (2018). An open source emotional speech corpus for human robot "
    "interaction applications. Interspeech, 2768-2772."
)

LANGUAGES = ("en",)
LABELS = english("angry", "anxious", "apologetic", "assertive", "concerned", "encouraging",
                 "excited", "happy", "neutral", "sad")  # fmt: skip

GRAMMAR = re.compile(
    rf"(?P<speaker>(?P<sex>female|male)[12])_(?P<emotion>{'|'.join(LABELS)})"
    r"_(?P<sentence>\d+[ab])_(?P<take>\d)"
)
