"""TESS: two actresses, 64 and 26 years old, say 200 words in seven emotions.

File names are ``OAF_back_angry.wav``: speaker (older or younger adult female), word, emotion. The
spelling of the folders varies. One file has a misspelt speaker (``OA_bite_neutral.wav``), and the
common download contains a second copy of the corpus in a nested folder.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Tree, by_name, mostly
from data.utterance import Utterance

TITLE = "TESS, Toronto Emotional Speech Set"
SIZE = 2800
ORIGIN = "https://doi.org/10.5683/SP2/E8H2MF"
TERMS = "CC BY-NC-ND 4.0"
CITATION = (
    "Pichora-Fuller & Dupuis (2020). Toronto emotional speech set (TESS). Borealis. "
    "doi:10.5683/SP2/E8H2MF."
)

LANGUAGES = ("en",)
LABELS: Mapping[str, str | None] = {  # native → shared emotion
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",  # pleasant surprise
    "sad": "sadness",
}
SPEAKERS: dict[str, dict[str, str | float]] = {
    "OAF": {"sex": "female", "age": 64, "age_group": "older"},
    "YAF": {"sex": "female", "age": 26, "age_group": "younger"},
}

GRAMMAR = re.compile(
    rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(LABELS)})", re.IGNORECASE
)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of TESS."""
    return mostly(tree, GRAMMAR)


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings from the file names; folders are ignored."""
    recordings, warnings = by_name(tree, GRAMMAR, "TESS", _proper_name)
    utterances = []
    for name, _, path in recordings:
        speaker, word, emotion = name.split("_")
        utterances.append(
            Utterance(
                id=f"tess/{name}",
                corpus="tess",
                root=tree.root,
                path=path,
                speaker=speaker,
                emotion=emotion,
                attributes={**SPEAKERS[speaker], "word": word},
            )
        )
    return utterances, warnings


def _proper_name(parts: re.Match[str]) -> str:
    speaker = "OAF" if parts["speaker"].upper() == "OA" else parts["speaker"].upper()
    return f"{speaker}_{parts['word'].lower()}_{parts['emotion'].lower()}"
