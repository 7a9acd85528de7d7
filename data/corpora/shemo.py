"""ShEMO: 87 speakers of Persian radio plays, in six emotions.

Files are ``male/M32S01.wav``: speaker (with the sex), emotion, number. The emotion of ``W`` is
surprise, that of ``S`` is sadness.
"""

import re

from data.vocabulary import beginnings

TITLE = "ShEMO, Sharif Emotional Speech Database"
SIZE = 3000
ORIGIN = "https://github.com/mansourehk/ShEMO"
CITATION = (
    "Mohamad Nezami, Jamshid Lou & Karami (2019). ShEMO: a large-scale validated database for "
    "Persian speech emotion detection. Language Resources and Evaluation 53(1): 1-16."
)

LANGUAGES = ("fa",)
LABELS = {
    **beginnings(1, "Anger", "Fear", "Happiness", "Neutral", "Sadness"),
    "W": "surprise",
}

GRAMMAR = re.compile(  # 31 women and 56 men
    r"(?P<speaker>(?P<sex>F(?=[0-2]|3[01])|M)(?:0[1-9]|[1-4]\d|5[0-6]))"
    rf"(?P<emotion>[{''.join(LABELS)}])\d\d+"
)
