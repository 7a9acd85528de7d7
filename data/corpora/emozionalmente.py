"""Emozionalmente: 431 amateurs say 18 Italian sentences in seven emotions.

Files are ``audio/1612871026347.wav``; ``metadata/samples.csv`` describes them, and
``metadata/users.csv`` the speakers.
"""

import re

from data.corpora.tree import SEXES, Fields, Tree, has_columns, number, read_table
from data.vocabulary import english

TITLE = "Emozionalmente"
SIZE = 6902
ORIGIN = "https://zenodo.org/records/6569824"
TERMS = "CC BY 4.0"
CITATION = "Catania. Emozionalmente. Zenodo. doi:10.5281/zenodo.6569824."

LANGUAGES = ("it",)
LABELS = english("anger", "disgust", "fear", "joy", "neutrality", "sadness", "surprise")

GRAMMAR = re.compile(r"\d+")
SAMPLES, USERS = "metadata/samples.csv", "metadata/users.csv"
COLUMNS = ("file_name", "actor", "emotion_expressed")


def recognise(tree: Tree) -> bool:
    """Whether there is the table of Emozionalmente."""
    return has_columns(tree.find(SAMPLES), COLUMNS)


def rows(tree: Tree) -> dict[str, Fields]:
    """Describe each recording, by its name."""
    users: dict[str, Fields] = {}
    if table := tree.find(USERS):
        users = {
            row["username"]: {"sex": SEXES.get(row["gender"][:1]), "age": number(row["age"])}
            for row in read_table(table, ("username", "gender", "age"), TITLE)
        }
    return {
        row["file_name"].rpartition("/")[2].removesuffix(".wav"): {
            "speaker": row["actor"],
            "emotion": row["emotion_expressed"],
            "sentence": row.get("sentence"),
            **users.get(row["actor"], {}),
        }
        for row in read_table(tree.require(SAMPLES), COLUMNS, TITLE)
    }
