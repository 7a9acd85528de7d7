"""eNTERFACE'05: speakers of many countries act five English sentences in each of six emotions.

Files are ``subject 19/anger/sentence 4/s19_an_4.avi``: subject, emotion, sentence. Subject 6 has no
sentences, the files of subject 11 are named s12, and a few names are misspelt, so the folder names
the subject. Each emotion has sentences of its own.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import beginnings

TITLE = "eNTERFACE'05, audio-visual emotion database"
SIZE = None
ORIGIN = "https://enterface.net/enterface05/main.php?frame=emotion"
CITATION = (
    "Martin, Kotsia, Macq & Pitas (2006). The eNTERFACE'05 audio-visual emotion database. ICDE "
    "Workshops."
)

LANGUAGES = ("en",)
LABELS = beginnings(2, "anger", "disgust", "fear", "happiness", "sadness", "surprise")

GRAMMAR = re.compile(
    r"(?:.*/)?subject (?P<speaker>\d+)/(?:[^/]+/){0,2}"
    rf"s_?\d+_(?P<emotion>{'|'.join(LABELS)})(?:_(?P<sentence>\d)(?:avi)?)?"
)


def name(codes: re.Match[str]) -> str:
    return "_".join((f"s{codes['speaker']}", *filter(None, codes.group("emotion", "sentence"))))


def fields(codes: re.Match[str]) -> Fields:
    return {"sentence": codes["sentence"] and codes["emotion"] + codes["sentence"]}
