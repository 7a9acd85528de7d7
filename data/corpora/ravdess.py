"""RAVDESS: 24 actors say and sing two sentences in eight emotions.

File names have seven codes, ``03-01-06-01-02-01-12.wav``: modality, vocal channel, emotion,
intensity, statement, repetition, actor. Actors with odd numbers are male. Some downloads contain a
second copy of the corpus in a nested folder.
"""

import re

from data.corpora.tree import Fields, Found, Tree, mostly, numbered, read_names, tally
from data.vocabulary import english

TITLE = "RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song"
SIZE = 2452  # 1,440 spoken and 1,012 sung (actor 18 does not sing)
ORIGIN = "https://zenodo.org/records/1188976"
TERMS = "CC BY-NC-SA 4.0"
CITATION = (
    "Livingstone & Russo (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song. "
    "PLoS ONE 13(5): e0196391."
)

LANGUAGES = ("en",)
LABELS = english(
    "neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"
)  # in the order of the codes
VALUES = {
    "vocal_channel": {"01": "speech", "02": "song"},
    "emotion": numbered(LABELS),
    "intensity": {"01": "normal", "02": "strong"},
    "statement": {"01": "kids", "02": "dogs"},
}
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}

GRAMMAR = re.compile(
    r"0[13]"  # modality: audio with video, audio only; 02 is silent video
    r"-(?P<vocal_channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<speaker>0[1-9]|1\d|2[0-4])"
)
BANGLA_SER = re.compile(  # the same seven codes, with a third sentence and trial, and 34 actors
    r"03-01-(?:\d\d-){2}(?:03-\d\d-\d\d|\d\d-03-\d\d|\d\d-\d\d-(?:2[5-9]|3\d))"
)
ACTOR_FOLDER = re.compile(r"Actor_(\d\d)[^/]*/[^/]+$", re.IGNORECASE)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of RAVDESS."""
    return mostly(tree, GRAMMAR) and not any(map(BANGLA_SER.fullmatch, tree.stems))


def read(tree: Tree) -> Found:
    """Read utterances, with the actor of the file name, and warnings."""
    found, warnings = read_names(tree, "ravdess", GRAMMAR, VALUES, fields)
    misfiled = [
        utterance.path
        for utterance in found
        if (folder := ACTOR_FOLDER.search(utterance.path)) and folder[1] != utterance.speaker
    ]
    warnings += tally("recordings in another actor's folder; the file name is used", misfiled)
    return found, warnings


def fields(codes: re.Match[str]) -> Fields:
    sex = "male" if int(codes["speaker"]) % 2 else "female"
    return {"sex": sex, "sentence": SENTENCES[codes["statement"]]}
