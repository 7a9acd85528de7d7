"""ESD: ten speakers of Mandarin and ten of English say 350 sentences in five emotions.

Files are ``0001/Angry/0001_000351.wav``: speaker and number, below the emotion; some copies have a
folder ``train``, ``evaluation`` or ``test`` between. Speakers 0001 to 0010 speak Mandarin, 0011 to
0020 English. The sentences recur every 350 numbers. Labels are read from the folders, since those
of the text files are Chinese words for some speakers.
"""

import re

from data.corpora.tree import Fields
from data.vocabulary import english

TITLE = "ESD, Emotional Speech Dataset"
SIZE = 35000
ORIGIN = "https://github.com/HLTSingapore/Emotional-Speech-Data"
TERMS = "for research; see its page"
CITATION = (
    "Zhou, Sisman, Liu & Li (2022). Emotional voice conversion: Theory, databases and ESD. Speech "
    "Communication 137: 1-18."
)

LANGUAGES = ("en", "zh")
LABELS = english("Angry", "Happy", "Neutral", "Sad", "Surprise")
SENTENCES = 350  # in each emotion

GRAMMAR = re.compile(
    rf"(?:.*/)?(?P<emotion>{'|'.join(LABELS)})/(?:(?:train|evaluation|test)/)?"
    r"(?P<name>(?P<speaker>00(?:0[1-9]|1\d|20))_(?P<sentence>\d{6}))"
)


def fields(codes: re.Match[str]) -> Fields:
    language = "zh" if codes["speaker"] <= "0010" else "en"
    sentence = (int(codes["sentence"]) - 1) % SENTENCES + 1
    return {"language": language, "sentence": f"{language}{sentence:03}"}
