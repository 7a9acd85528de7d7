"""CREMA-D: 91 actors say twelve sentences in six emotions, rated by listeners.

File names have four codes, ``AudioWAV/1001_DFA_ANG_XX.wav``: actor, sentence, emotion, intensity.
``VideoDemographics.csv`` describes the actors; ``summaryTable.csv`` contains the ratings.
"""

import re
from pathlib import Path

from data.corpora.tree import Fields, Found, Tree, read_names, read_table
from data.vocabulary import beginnings, english

TITLE = "CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset"
SIZE = 7442
ORIGIN = "https://github.com/CheyneyComputerScience/CREMA-D"
TERMS = "Open Database License 1.0"
CITATION = (
    "Cao, Cooper, Keutmann, Gur, Nenkova & Verma (2014). CREMA-D: Crowd-sourced Emotional "
    "Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4): 377-390."
)

LANGUAGES = ("en",)
EMOTIONS = english("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
RATINGS = beginnings(1, "Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness")
LABELS = EMOTIONS | RATINGS
VALUES = {
    "intensity": {
        "LO": "low",
        "MD": "medium",
        "HI": "high",
        "XX": "unspecified",
        "X": "unspecified",
    }
}
SENTENCES = {
    "DFA": "Don't forget a jacket",
    "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}

GRAMMAR = re.compile(  # some copies have 1040_ITH_SAD_X in place of _XX
    rf"(?P<speaker>1\d{{3}})_(?P<sentence>{'|'.join(SENTENCES)})"
    rf"_(?P<emotion>{'|'.join(EMOTIONS)})_(?P<intensity>{'|'.join(VALUES['intensity'])})"
)


def name(codes: re.Match[str]) -> str:
    return codes[0] + "X" if codes["intensity"] == "X" else codes[0]


def read(tree: Tree) -> Found:
    """Read utterances, with demographics and ratings if their tables exist, and warnings."""
    actors = _actors(tree.find("VideoDemographics.csv"))
    votes = _votes(tree.find("summaryTable.csv", "processedResults/summaryTable.csv"))

    def fields(codes: re.Match[str]) -> Fields:
        return {
            "text": SENTENCES[codes["sentence"]],
            **actors.get(codes["speaker"], {}),
            **votes.get(name(codes), {}),
        }

    return read_names(tree, "crema-d", GRAMMAR, VALUES, fields, name)


def _actors(table: Path | None) -> dict[str, Fields]:
    """Age in years, sex, race and ethnicity of each actor."""
    columns = ("ActorID", "Age", "Sex", "Race", "Ethnicity")
    return {
        row["ActorID"]: {
            "sex": row["Sex"].lower(),
            "age": int(row["Age"]) if row["Age"].isdecimal() else None,
            "race": row["Race"],
            "ethnicity": row["Ethnicity"],
        }
        for row in (read_table(table, columns, "CREMA-D") if table else ())
    }


def _votes(table: Path | None) -> dict[str, Fields]:
    """The emotion that most listeners chose; none if there is a tie ("A:F")."""
    return {
        row["FileName"]: {"emotion_perceived": row["VoiceVote"]}
        for row in (read_table(table, ("FileName", "VoiceVote"), "CREMA-D") if table else ())
        if row["VoiceVote"] in RATINGS
    }
