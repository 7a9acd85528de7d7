"""The mapping of labels to the shared vocabulary of emotions.

Each module in `data.corpora` maps the labels of its corpus. Other labels are English words. Caches
store native labels; they are mapped when a head is trained or tested.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data import corpora
from data.errors import UsageError
from data.vocabulary import SHARED as SHARED
from data.vocabulary import VERSION as VERSION
from data.vocabulary import shared_word

PROTOCOLS = {
    "big4": "anger,happiness=happiness+excitement,neutral,sadness",
    # halves of arousal and valence as Schuller et al. 2010 assign them (Cross-corpus acoustic
    # emotion recognition: variances and strategies, table 4)
    "arousal": "high=anger+fear+happiness+surprise,low=boredom+disgust+neutral+sadness",
    "valence": "negative=anger+boredom+disgust+fear+sadness,positive=happiness+neutral+surprise",
    # as in SUPERB and most papers on IEMOCAP: 5,531 utterances
    "iemocap-4": "anger,happiness=happiness+excitement,neutral,sadness",
    # as Pepino et al. 2021 treat RAVDESS
    "ravdess-7": "anger,disgust,fear,happiness,neutral=neutral+calm,sadness,surprise",
}


def to_shared(corpus: str, native: str | None) -> str | None:
    """Map a native label to the shared vocabulary.

    Args:
        corpus: name of the corpus of the label.
        native: the label of the corpus.

    Returns:
        A label of `SHARED`, or the native label if no map contains it. None if there is no label,
        or if the annotators did not agree.

    >>> to_shared("emodb", "W"), to_shared("my-folder", "Joy"), to_shared("my-folder", "pensive")
    ('anger', 'happiness', 'pensive')
    >>> to_shared("iemocap", "xxx") is None
    True
    """
    if not native:
        return None
    mapping = corpora.labels(corpus)
    return mapping[native] if native in mapping else shared_word(native) or native


@dataclass(frozen=True)
class Labels:
    """The classes of ``--labels``, see `parse_labels`."""

    text: str | None = None  # value of the option, for reports
    classes: Mapping[str, str] | None = None  # shared label → class; None: every shared label
    native: bool = False  # whether classes are native labels

    def apply(self, corpora: Sequence[str], natives: Sequence[str | None]) -> list[str | None]:
        """Map utterances to classes.

        Args:
            corpora: (utterance,) names of corpora.
            natives: (utterance,) native labels.

        Returns:
            (utterance,) classes; None for an utterance that is left out.
        """
        pairs = list(zip(corpora, natives, strict=True))
        classes = {pair: self._class(*pair) for pair in set(pairs)}
        return [classes[pair] for pair in pairs]

    def _class(self, corpus: str, native: str | None) -> str | None:
        shared = to_shared(corpus, native)
        if shared is None:
            return None
        if self.native:
            return native
        return shared if self.classes is None else self.classes.get(shared)


def parse_labels(text: str | None, known: Iterable[str] = ()) -> Labels:
    """Parse the value of ``--labels``.

    Args:
        text: classes ``anger,sadness``; merged classes ``happiness=happiness+excitement,anger``; a
            protocol of `PROTOCOLS`; ``native``; or None for all shared labels.
        known: labels outside of the shared vocabulary that may be used.

    Raises:
        UsageError: a label is unknown, or is in two classes.

    >>> parse_labels("happy=joy+exc,anger").apply(["iemocap"] * 3, ["exc", "ang", "neu"])
    ['happy', 'anger', None]
    """
    if text is None:
        return Labels()
    if text.strip() == "native":
        return Labels(text, native=True)
    known = set(known)
    classes: dict[str, str] = {}
    for entry in PROTOCOLS.get(text.strip(), text).split(","):
        name, equals, members = (part.strip() for part in entry.partition("="))
        merged = [
            _known(member, known, text) for member in (members if equals else name).split("+")
        ]
        target = name if equals else "+".join(merged)
        if not target:
            raise UsageError(f"--labels {text}: {entry.strip()!r} names no class")
        for member in merged:
            if classes.setdefault(member, target) != target:
                raise UsageError(f"--labels {text}: {member} is in two classes")
    return Labels(text, classes)


def _known(name: str, known: set[str], text: str) -> str:
    name = name.strip()
    if name in known:
        return name
    if word := shared_word(name):
        return word
    choices = ", ".join((*SHARED, *sorted(known - set(SHARED))))
    protocols = ", ".join((*PROTOCOLS, "native"))
    raise UsageError(f"--labels {text}: no label {name!r}; known: {choices}; or {protocols}")
