"""The audit of folds: overlap of training and test parts, and missing classes."""

from dataclasses import asdict, dataclass
from typing import Any

from data.text import several


@dataclass(frozen=True)
class Shared:
    """Speakers, recordings or sentences of a test part that are in training, too."""

    shared: int
    tested: int

    def __str__(self) -> str:
        return f"{self.shared:,} of {self.tested:,}"


Overlap = dict[str, Shared | None]  # speaker, recording, sentence → None: some are unknown


@dataclass(frozen=True)
class FoldAudit:
    """The parts of one fold."""

    fold: str
    training: int  # utterances
    tested: int
    dropped: int  # from training, by --repair
    overlap: Overlap
    untrained: tuple[str, ...]  # classes that training lacks
    untested: tuple[str, ...]


@dataclass(frozen=True)
class FoldsAudit:
    """The parts of all folds."""

    folds: tuple[FoldAudit, ...]
    overlap: Overlap  # of all folds together: a speaker of several test parts counts once
    repair: tuple[str, ...]  # what was dropped from training if a test part has it
    left_out: dict[str, int]  # utterances of no part: "unnamed", "development"

    @property
    def leaks(self) -> str:
        """The overlap of test and training as a sentence; empty if none is known."""
        found = [f"{of} test {name}s" for name, of in self.overlap.items() if of and of.shared]
        leaking = sum(any(of and of.shared for of in fold.overlap.values()) for fold in self.folds)
        text = " and ".join([", ".join(found[:-1]), *found[-1:]] if found[1:] else found)
        where = f"{leaking} of {several(len(self.folds), 'fold')}"
        return f"{text} are also in training ({where})" if found else ""

    @property
    def findings(self) -> dict[str, str]:
        """Short name → what limits the scores, or has changed the folds, as a sentence."""
        found = {}
        if self.leaks:
            found["leak"] = self.leaks
        if untrained := [fold for fold in self.folds if fold.untrained]:
            classes = [f"{', '.join(fold.untrained)} (fold {fold.fold})" for fold in untrained]
            found["classes"] = f"not in training: {'; '.join(classes)}"
        if self.repair:
            dropped = sum(fold.dropped for fold in self.folds)
            before = dropped + sum(fold.training for fold in self.folds)
            found["repaired"] = (
                f"--repair {','.join(self.repair)} dropped {dropped:,} of "
                f"{several(before, 'training utterance')} of all folds"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """Its part of the JSON files."""
        return {"leaks": bool(self.leaks), **asdict(self)}
