"""nEMO: nine Polish actors say sentences in six emotions.

Files are in ``samples/``, and ``data.tsv`` describes each of them.
"""

import re

from data.corpora.tree import SEXES, Fields, Tree, has_columns, number, read_table
from data.vocabulary import english

TITLE = "nEMO, Polish emotional speech"
SIZE = 4481
ORIGIN = "https://github.com/amu-cai/nEMO"
TERMS = "CC BY-NC-SA 4.0"
CITATION = "Christop (2024). nEMO: Dataset of emotional speech in Polish. arXiv:2404.06292."

LANGUAGES = ("pl",)
LABELS = english("anger", "fear", "happiness", "neutral", "sadness", "surprise")

GRAMMAR = re.compile(r".+")
TABLE = "data.tsv"
COLUMNS = ("file_id", "emotion", "speaker_id", "gender", "age")


def recognise(tree: Tree) -> bool:
    """Whether there is the table of nEMO."""
    return has_columns(tree.find(TABLE), COLUMNS, "\t")


def rows(tree: Tree) -> dict[str, Fields]:
    """Describe each recording, by its name."""
    return {
        row["file_id"].removesuffix(".wav"): {
            "speaker": row["speaker_id"],
            "emotion": row["emotion"],
            "sex": SEXES.get(row["gender"][:1]),
            "age": number(row["age"]),
            "text": row.get("raw_text"),
        }
        for row in read_table(tree.require(TABLE), COLUMNS, "nEMO", "\t")
    }
