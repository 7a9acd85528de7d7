"""RAVDESS: 24 actors say and sing two sentences in eight emotions.

File names have seven codes, ``03-01-06-01-02-01-12.wav``: modality, vocal channel, emotion,
intensity, statement, repetition, actor. Actors with odd numbers are male. Some downloads contain a
second copy of the corpus in a nested folder.
"""

import re
from collections.abc import Mapping

from data.corpora.tree import Tree, by_name, mostly, tally
from data.utterance import Utterance

TITLE = "RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song"
SIZE = 2452  # 1,440 spoken and 1,012 sung (actor 18 does not sing)
ORIGIN = "https://zenodo.org/records/1188976"
TERMS = "CC BY-NC-SA 4.0"
CITATION = (
    "Livingstone & Russo (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song. "
    "PLoS ONE 13(5): e0196391."
)

LANGUAGES = ("en",)
CHANNELS = {"01": "speech", "02": "song"}
LABELS: Mapping[str, str | None] = {  # native → shared emotion, in the order of the codes
    "neutral": "neutral",
    "calm": "calm",
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "fearful": "fear",
    "disgust": "disgust",
    "surprised": "surprise",
}
EMOTIONS = {f"{code:02}": label for code, label in enumerate(LABELS, start=1)}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}
SENTENCES = {"kids": "Kids are talking by the door", "dogs": "Dogs are sitting by the door"}

GRAMMAR = re.compile(
    r"0[13]"  # modality: audio with video, audio only; 02 is silent video
    r"-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<statement>0[12])-(?P<repetition>0[12])-(?P<actor>0[1-9]|1\d|2[0-4])"
)
BANGLA_SER = re.compile(  # the same seven codes, with a third sentence and trial, and 34 actors
    r"03-01-(?:\d\d-){2}(?:03-\d\d-\d\d|\d\d-03-\d\d|\d\d-\d\d-(?:2[5-9]|3\d))"
)
ACTOR_FOLDER = re.compile(r"Actor_(\d\d)", re.IGNORECASE)


def recognise(tree: Tree) -> bool:
    """Whether most recordings have file names of RAVDESS."""
    return mostly(tree, GRAMMAR) and not any(map(BANGLA_SER.fullmatch, tree.stems))


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances, with the actor of the file name, and warnings."""
    recordings, warnings = by_name(tree, GRAMMAR, "RAVDESS")
    utterances, misfiled = [], []
    for name, codes, path in recordings:
        actor, statement = codes["actor"], STATEMENTS[codes["statement"]]
        folder = ACTOR_FOLDER.search(path.rpartition("/")[0].rpartition("/")[2])
        if folder and folder[1] != actor:
            misfiled.append(path)
        utterances.append(
            Utterance(
                id=f"ravdess/{name}",
                corpus="ravdess",
                root=tree.root,
                path=path,
                speaker=actor,
                emotion=EMOTIONS[codes["emotion"]],
                attributes={
                    "sex": "male" if int(actor) % 2 else "female",
                    "vocal_channel": CHANNELS[codes["channel"]],
                    "intensity": INTENSITIES[codes["intensity"]],
                    "statement": statement,
                    "sentence": SENTENCES[statement],
                    "repetition": int(codes["repetition"]),
                },
            )
        )
    warnings += tally("recordings in another actor's folder; the file name is used", misfiled)
    return utterances, warnings
