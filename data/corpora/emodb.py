"""Emo-DB: ten German actors say ten sentences in seven emotions.

File names are ``03a01Fa.wav``: speaker 03, sentence a01, emotion F (the initial of its German
name), version a. ``erkennung.txt`` contains the ratings of twenty listeners.
"""

import re
from pathlib import Path

from data.corpora.tree import Fields, Found, Tree, mostly, read_names

TITLE = "Emo-DB, Berlin Database of Emotional Speech"
SIZE = 535
ORIGIN = "http://emodb.bilderbar.info"
TERMS = "free for research; see its page"
CITATION = (
    "Burkhardt, Paeschke, Rolfes, Sendlmeier & Weiss (2005). A database of German emotional "
    "speech. Interspeech, 1517-1520."
)

LANGUAGES = ("de",)
LABELS = {  # German initial → shared emotion
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
SPEAKERS = {  # sex, age in years
    "03": ("male", 31),
    "08": ("female", 34),
    "09": ("female", 21),
    "10": ("male", 32),
    "11": ("male", 26),
    "12": ("male", 30),
    "13": ("female", 32),
    "14": ("female", 35),
    "15": ("male", 25),
    "16": ("female", 31),
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}

GRAMMAR = re.compile(
    rf"(?P<speaker>{'|'.join(SPEAKERS)})(?P<sentence>{'|'.join(SENTENCES)})"
    rf"(?P<emotion>[{''.join(LABELS)}])(?P<version>[a-z])"
)
OREAU = re.compile(r"(?:.*/)?[fm]/sess[a-z]/[^/]+")  # its file names may be those of Emo-DB
RATING = re.compile(
    r"\d+\s*\t(?P<name>\w+)\.wav\t(?P<recognised>[\d,]+)\s*\t(?P<natural>[\d,]+)\s*"
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of Emo-DB."""
    return mostly(tree, GRAMMAR) and not mostly(tree, OREAU)


def read(tree: Tree) -> Found:
    """Read utterances, with ratings if ``erkennung.txt`` exists, and warnings."""
    ratings = _ratings(tree.find("erkennung.txt"))

    def fields(codes: re.Match[str]) -> Fields:
        sex, age = SPEAKERS[codes["speaker"]]
        text = SENTENCES[codes["sentence"]]
        return {"sex": sex, "age": age, "text": text, **ratings.get(codes[0], {})}

    return read_names(tree, "emodb", GRAMMAR, fields=fields)


def _ratings(table: Path | None) -> dict[str, Fields]:
    """Percentages of the listeners that recognised the emotion, and that found it natural.

    The table is Latin-1 with tabs, no-break spaces and decimal commas.
    """
    if table is None:
        return {}
    rows = (RATING.fullmatch(line) for line in table.read_text("latin-1").splitlines())
    return {
        row["name"]: {
            "recognised": float(row["recognised"].replace(",", ".")),
            "naturalness": float(row["natural"].replace(",", ".")),
        }
        for row in rows
        if row
    }
