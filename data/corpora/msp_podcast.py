"""MSP-Podcast: segments of podcasts, of which listeners rate the emotions.

Files are ``Audio/MSP-PODCAST_0001_0008.wav``; ``Labels/labels_consensus.csv`` has the emotion on
which the listeners agree, and their mean ratings from 1 to 7. ``X`` (no agreement) and ``O``
(other) belong to no class. Some speakers are unknown.
"""

import re

from data.corpora.tree import SEXES, Fields, Tree, number, read_table
from data.vocabulary import beginnings

TITLE = "MSP-Podcast"
SIZE = None  # it grows
ORIGIN = "https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html"
TERMS = "for research, under a signed licence; see its page"
CITATION = (
    "Lotfian & Busso (2019). Building naturalistic emotionally balanced speech corpus by "
    "retrieving emotional speech from existing podcast recordings. IEEE Transactions on Affective "
    "Computing 10(4): 471-483."
)

LANGUAGES = ("en",)
LABELS = {
    **beginnings(1, "Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness"),
    "U": "surprise",
    "O": None,  # other
    "X": None,  # the annotators did not agree
}

GRAMMAR = re.compile(r"MSP-PODCAST_\d+_\d+(?:_\d+)?")
TABLES = ("labels_consensus.csv", "labels_concensus.csv")  # misspelt in some releases
COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def rows(tree: Tree) -> dict[str, Fields]:
    """Describe each recording, by its name."""
    table = tree.require(*(f"Labels/{name}" for name in TABLES))
    return {
        row["FileName"].removesuffix(".wav"): {
            "speaker": row["SpkrID"] if row["SpkrID"].lower() != "unknown" else None,
            "emotion": row["EmoClass"],
            "sex": SEXES.get(row["Gender"][:1]),
            "arousal": number(row["EmoAct"]),
            "valence": number(row["EmoVal"]),
            "dominance": number(row["EmoDom"]),
            "split": row["Split_Set"],
        }
        for row in read_table(table, COLUMNS, "MSP-Podcast")
    }
