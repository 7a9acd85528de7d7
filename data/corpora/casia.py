"""CASIA: four speakers of Mandarin say sentences in six emotions.

Files are ``wangzhe/neutral/239.wav``: speaker, emotion, sentence.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Tree, mostly, read_names
from data.utterance import Utterance

TITLE = "CASIA, Chinese emotional corpus"
SIZE = 1200  # of the public part
ORIGIN = "https://aistudio.baidu.com/aistudio/datasetdetail/209512"
TERMS = "see its page"
CITATION = "Institute of Automation, Chinese Academy of Sciences. CASIA Chinese emotional corpus."

LANGUAGES = ("zh",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "angry": "anger",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}

GRAMMAR = re.compile(
    r"(?:.*/)?(?P<name>(?P<speaker>liuchanhg|wangzhe|zhaoquanyin|zhaozuoxiang)"
    rf"/(?P<emotion>{'|'.join(LABELS)})/(?P<sentence>\d{{3}}))"
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have paths of CASIA."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings."""
    return read_names(tree, GRAMMAR, "casia")
