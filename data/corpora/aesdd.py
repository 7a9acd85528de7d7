"""AESDD: Greek actors say about 20 sentences in five emotions.

Files are ``anger/a03 (3).wav``: emotion, sentence, and the speaker in brackets; some have a letter
for the version, ``a06 (5)b.wav``. Folder and initial must agree, since other folders may contain
such names, too. ``s05 (3).wav`` is damaged.
"""

import re

from data.vocabulary import beginnings

TITLE = "AESDD, Acted Emotional Speech Dynamic Database"
SIZE = None  # it grows
ORIGIN = "http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/"
CITATION = (
    "Vryzas, Kotsakis, Liatsou, Dimoulas & Kalliris (2018). Speech emotion recognition for "
    "performance interaction. Journal of the Audio Engineering Society 66(6): 457-467."
)

LANGUAGES = ("el",)
LABELS = beginnings(1, "anger", "disgust", "fear", "happiness", "sadness")

GRAMMAR = re.compile(
    r"(?:.*/)?(?:anger/(?=a)|disgust/(?=d)|fear/(?=f)|happiness/(?=h)|sadness/(?=s))"
    r"(?P<name>(?P<emotion>[adfhs])(?P<sentence>\d\d) ?\(0?(?P<speaker>\d)\)(?P<version>[a-z]?))"
)
