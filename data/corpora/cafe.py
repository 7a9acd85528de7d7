"""CaFE: twelve French-speaking Canadian actors say six sentences in seven emotions.

Files are ``Peur/Fort/12-P-2-5.wav``: actor, emotion (a French initial), intensity, sentence. Actors
with odd numbers are male. The folders' names often have broken accents, so they are not used. A
download with 192 kHz and 48 kHz contains each recording twice.
"""

import re

from data.corpora.tree import Fields

TITLE = "CaFE, Canadian French Emotional Speech Dataset"
SIZE = 936
ORIGIN = "https://zenodo.org/records/1478765"
CITATION = (
    "Gournay, Lahaie & Lefebvre (2018). A Canadian French emotional speech dataset. ACM "
    "Multimedia Systems Conference, 399-402."
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
VALUES = {"intensity": {"1": "weak", "2": "strong"}}  # faible, fort

GRAMMAR = re.compile(
    rf"(?P<speaker>0[1-9]|1[0-2])-(?P<emotion>[{''.join(LABELS)}])"
    r"-(?P<intensity>[12])-(?P<sentence>[1-6])"
)


def fields(codes: re.Match[str]) -> Fields:
    """Neutral has no intensity."""
    neutral = {"intensity": None} if codes["emotion"] == "N" else {}
    return {"sex": "male" if int(codes["speaker"]) % 2 else "female", **neutral}
