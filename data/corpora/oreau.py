"""Oréau: 32 speakers of French say sentences in seven emotions.

Files are ``m/sessj/29a13Ja.wav``: speaker, number of the sentence, emotion (a French initial),
version, below the sex and the session. Each emotion has sentences of its own. Some names are also
names of Emo-DB, so the folders must agree.
"""

import re

from data.corpora.tree import Fields

TITLE = "Oréau, French emotional speech database"
SIZE = 434  # of the second version
ORIGIN = "https://zenodo.org/records/4405783"
CITATION = (
    "Kerkeni, Cleder, Serrestou & Raoof (2020). French emotional speech database - Oréau. Zenodo. "
    "doi:10.5281/zenodo.4405783."
)

LANGUAGES = ("fr",)
LABELS = {  # French initial → shared emotion
    "C": "anger",  # colère
    "D": "disgust",  # dégoût
    "J": "happiness",  # joie
    "N": "neutral",
    "P": "fear",  # peur
    "S": "surprise",
    "T": "sadness",  # tristesse
}

GRAMMAR = re.compile(
    r"(?:.*/)?(?P<sex>[fm])/sess[cdjnpst]/"
    rf"(?P<name>(?P<speaker>\d\d)(?P<sentence>[a-z]\d\d)(?P<emotion>[{''.join(LABELS)}])"
    r"(?P<version>[a-z]))"
)


def fields(codes: re.Match[str]) -> Fields:
    return {"sentence": codes["emotion"] + codes["sentence"]}
