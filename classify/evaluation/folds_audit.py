"""The audit of folds: what training and test parts have in common, and what they lack."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from data.text import several


class Shared(NamedTuple):
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

    def as_json(self) -> dict[str, Any]:
        """Its part of the JSON files."""
        return {**vars(self), "overlap": _json(self.overlap)}


@dataclass(frozen=True)
class FoldsAudit:
    """The parts of all folds."""

    folds: tuple[FoldAudit, ...]
    overlap: Overlap  # of all folds together: a speaker of several test parts counts once
    repair: tuple[str, ...]  # what was dropped from training if a test part has it
    left_out: dict[str, int]  # utterances of no part: "unnamed", "development"

    @property
    def leaks(self) -> str:
        """What is in test and training, as a sentence; empty: nothing that is known."""
        found = [
            f"{found} test {name}s" for name, found in self.overlap.items() if found and found[0]
        ]
        leaking = sum(
            any(found and found.shared for found in fold.overlap.values()) for fold in self.folds
        )
        text = " and ".join([", ".join(found[:-1]), *found[-1:]] if found[1:] else found)
        where = f"{leaking} of {several(len(self.folds), 'fold')}"
        return f"{text} are also in training ({where})" if found else ""

    @property
    def findings(self) -> dict[str, str]:
        """Short name → what limits the scores, or has changed the folds, as a sentence."""
        untrained = [
            f"{', '.join(fold.untrained)} (fold {fold.fold})"
            for fold in self.folds
            if fold.untrained
        ]
        dropped, training = (
            sum(getattr(fold, name) for fold in self.folds) for name in ("dropped", "training")
        )
        found = {
            "leak": self.leaks,
            "classes": f"not in training: {'; '.join(untrained)}" if untrained else "",
            "repaired": f"--repair {','.join(self.repair)} dropped {dropped:,} of "
            f"{several(training + dropped, 'training utterance')} of all folds"
            if self.repair
            else "",
        }
        return {name: text for name, text in found.items() if text}

    def as_json(self) -> dict[str, Any]:
        """Its part of the JSON files."""
        return {
            "leaks": bool(self.leaks),
            "overlap": _json(self.overlap),
            "repair": list(self.repair),
            "left_out": self.left_out,
            "folds": [fold.as_json() for fold in self.folds],
        }


def _json(overlap: Overlap) -> dict[str, Any]:
    return {name: found and found._asdict() for name, found in overlap.items()}
