"""EMOVO: six Italian actors say 14 sentences in seven emotions.

Files are ``f2/gio-f2-b2.wav``: emotion (the beginning of its Italian name), speaker, sentence.
"""

import re

TITLE = "EMOVO, Italian Emotional Speech Database"
SIZE = 588
ORIGIN = "http://voice.fub.it/activities/corpora/emovo/index.html"
CITATION = (
    "Costantini, Iaderola, Paoloni & Todisco (2014). EMOVO Corpus: an Italian emotional speech "
    "database. LREC, 3501-3504."
)

LANGUAGES = ("it",)
LABELS = {  # Italian → shared emotion
    "dis": "disgust",  # disgusto
    "gio": "happiness",  # gioia
    "neu": "neutral",
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
}

GRAMMAR = re.compile(
    rf"(?P<emotion>{'|'.join(LABELS)})-(?P<speaker>(?P<sex>[fm])[1-3])-(?P<sentence>[bdln]\d)"
)
