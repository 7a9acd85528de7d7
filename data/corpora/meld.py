"""MELD: scenes of the television series Friends, in seven emotions.

Files are ``train/train_splits/dia0_utt0.mp4``, and ``train_sent_emo.csv`` describes those of a part
(train, dev, test). The numbers repeat in each part, so the folders are used. A few clips are
damaged. Some speakers are groups, such as "Joey and Chandler", and most speak in all parts.
"""

import re

from data.corpora.tree import Fields, Tree, read_table
from data.vocabulary import english

TITLE = "MELD, Multimodal EmotionLines Dataset"
SIZE = 13708
ORIGIN = "https://affective-meld.github.io/"
CITATION = (
    "Poria, Hazarika, Majumder, Naik, Cambria & Mihalcea (2019). MELD: A multimodal multi-party "
    "dataset for emotion recognition in conversations. ACL, 527-536."
)

LANGUAGES = ("en",)
LABELS = english("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")

GRAMMAR = re.compile(r"(?:.*/)?[^/]*(?P<split>train|dev|test)[^/]*/(dia\d+_utt\d+)")
COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")


def name(codes: re.Match[str]) -> str:
    return "/".join(codes.groups())


def rows(tree: Tree) -> dict[str, Fields]:
    """Describe each recording, by its name."""
    found: dict[str, Fields] = {}
    for split in ("train", "dev", "test"):
        if table := tree.find(f"{split}_sent_emo.csv"):
            for row in read_table(table, COLUMNS, "MELD"):
                dialogue = f"{split}/dia{row['Dialogue_ID']}"
                found[f"{dialogue}_utt{row['Utterance_ID']}"] = {
                    "speaker": row["Speaker"],
                    "emotion": row["Emotion"],
                    "sentiment": row["Sentiment"],
                    "text": row["Utterance"],
                    "dialogue": dialogue,
                }
    if not found:
        tree.require("train_sent_emo.csv")
    return found
