"""A condition: how recordings were degraded before they were embedded."""

from dataclasses import dataclass
from pathlib import Path

CLEAN = ""  # condition of an utterance that was embedded as it was recorded
MARK = "~"  # first character of the id of a degraded utterance


@dataclass(frozen=True, slots=True)
class Noise:
    """A recording that a condition adds to others."""

    root: Path  # its folder on this machine
    path: str  # relative to root, with forward slashes
    speaker: str | None = None  # of the corpus of the degraded utterances; None: of none
    start: float | None = None  # seconds into the recording; None: from its beginning
    end: float | None = None  # seconds into the recording; None: to its end

    @property
    def file(self) -> Path:
        """The recording's path on this machine."""
        return self.root / self.path


@dataclass(frozen=True, slots=True)
class Condition:
    """How recordings are degraded before they are embedded.

    ``name`` and ``digest`` are columns of a cache, and so is the level that was achieved.
    """

    name: str  # with its level, such as noise:20:babble
    digest: str  # hexadecimal, of everything that determines the degraded audio
    noises: tuple[Noise, ...] = ()  # recordings that are added

    def id(self, utterance: str) -> str:
        """The id of an utterance in this condition.

        In a cache, which is sorted by id, degraded utterances follow the clean ones, condition by
        condition.

        >>> Condition("telephone", "1f2e").id("emodb/03a01Fa")
        '~telephone/emodb/03a01Fa'
        """
        return f"{MARK}{self.name}/{utterance}"


def clean_id(name: str) -> str:
    """The id of the clean utterance of an id.

    >>> clean_id("~telephone/emodb/03a01Fa")
    'emodb/03a01Fa'
    """
    return name.partition("/")[2] if name.startswith(MARK) else name
