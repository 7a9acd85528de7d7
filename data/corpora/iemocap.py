"""IEMOCAP: ten actors in pairs play scripts and improvise, in five sessions.

Turns are ``Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav``, and their labels are in
``Session1/dialog/EmoEvaluation/Ses01F_impro01.txt``. The letter of the *turn* is the speaker. The
letter of the dialogue is the actor with the motion capture markers.
"""

import re
from dataclasses import replace

from data.corpora.tree import Fields, Found, Tree, mostly, read_names
from data.errors import CorpusError
from data.vocabulary import english

TITLE = "IEMOCAP, Interactive Emotional Dyadic Motion Capture Database"
SIZE = 10039  # turns
ORIGIN = "https://sail.usc.edu/iemocap/"
TERMS = "for research, under a licence signed with the University of Southern California"
CITATION = (
    "Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee & Narayanan (2008). IEMOCAP: "
    "Interactive emotional dyadic motion capture database. Language Resources and Evaluation "
    "42(4): 335-359."
)

LANGUAGES = ("en",)
LABELS = {"xxx": None} | english(  # xxx: the annotators did not agree
    "ang", "hap", "exc", "sad", "neu", "fru", "fea", "sur", "dis", "oth"
)
VALUES = {"style": {"impro": "improvised", "script": "scripted"}}

GRAMMAR = re.compile(r"Ses0(?P<session>[1-5])[FM]_(?P<style>impro|script)\w+_(?P<sex>[FM])\w*\d+")
EVALUATION = re.compile(r"(.*/)?EmoEvaluation/[^/]+\.txt")
TURN = re.compile(  # [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
    rf"\[[\d.]+ - [\d.]+\]\s+(?P<turn>\w+)\s+(?P<emotion>{'|'.join(LABELS)})"
    r"\s+\[(?P<valence>[\d.]+), *(?P<arousal>[\d.]+), *(?P<dominance>[\d.]+)\]"
)
DIALOGUES = re.compile(r"(.*/)?dialog/wav/[^/]+")  # whole dialogues, which contain the turns


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of IEMOCAP turns."""
    return mostly(_turns(tree), GRAMMAR)


def read(tree: Tree) -> Found:
    """Read utterances for turns with a recording and an annotation, and warnings.

    Raises:
        CorpusError: the annotations are missing.
    """
    return read_names(_turns(tree), "iemocap", GRAMMAR, VALUES, fields, rows=_annotations(tree))


def fields(codes: re.Match[str]) -> Fields:
    return {"speaker": f"Ses0{codes['session']}{codes['sex']}"}


def _turns(tree: Tree) -> Tree:
    """Remove the recordings of whole dialogues from a tree."""
    turns = (path for path in tree.recordings if not DIALOGUES.fullmatch(path))
    return replace(tree, recordings=tuple(turns))


def _annotations(tree: Tree) -> dict[str, Fields]:
    """Labels of each turn; valence, arousal and dominance have scales from 1 to 5."""
    files = [path for path in tree.others if EVALUATION.fullmatch(path)]
    if not files:
        raise CorpusError(
            f"{tree.root}: IEMOCAP's labels are missing; expected "
            "Session*/dialog/EmoEvaluation/*.txt. Give the folder with Session1 to Session5."
        )
    text = "\n".join((tree.root / path).read_text("utf-8", "replace") for path in files)
    return {
        turn["turn"]: {
            "emotion": turn["emotion"],
            "valence": float(turn["valence"]),
            "arousal": float(turn["arousal"]),
            "dominance": float(turn["dominance"]),
        }
        for turn in TURN.finditer(text)
    }
