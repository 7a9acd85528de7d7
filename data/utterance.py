"""An utterance: its speaker, its recording, and its labels in the corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech by one speaker.

    ``id`` is unique within a cache and begins with the name of the corpus. Labels are the native
    labels of the corpus, which `data.emotions` maps to a shared vocabulary. An unknown value is
    None.
    """

    id: str
    corpus: str
    root: Path  # the corpus's folder on this machine
    path: str  # the recording, relative to root, with forward slashes
    speaker: str | None = None  # unique within the corpus
    emotion: str | None = None  # native label
    start: float | None = None  # seconds into the recording; None: from its beginning
    end: float | None = None  # seconds into the recording; None: to its end
    attributes: Mapping[str, str | float] = field(default_factory=dict)  # sex, age, sentence, …

    @property
    def file(self) -> Path:
        """The recording's path on this machine."""
        return self.root / self.path
