"""An utterance: its speaker, its recording, and its labels in the corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from data.condition import Condition


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
    condition: Condition | None = None  # None: as it was recorded

    @property
    def file(self) -> Path:
        """The recording's path on this machine."""
        return self.root / self.path

    def degraded(self, condition: Condition) -> Self:
        """The same utterance in a condition."""
        return replace(self, id=condition.id(self.id), condition=condition)

    def version(self, sha256: str) -> str:
        """The SHA-256 of the recording, and the digest of the condition."""
        return sha256 if self.condition is None else f"{sha256} {self.condition.digest}"
