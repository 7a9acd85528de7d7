"""What the training and test part of each fold have in common, and what they lack."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, as_text, grouping
from data.errors import UsageError
from data.text import several

if TYPE_CHECKING:
    from classify.evaluation.folds import Folds


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


def audited(
    folds: "Folds",
    selection: Selection,
    given: "Folds",
    repair: tuple[str, ...] = (),
    left_out: dict[str, int] | None = None,
) -> "Folds":
    """Add the audit of `folds`.

    Args:
        folds: to audit.
        selection: their utterances.
        given: the folds before their repair.
        repair: by what they were repaired.
        left_out: see `FoldsAudit`.
    """
    groups = {name: _groups(selection, name) for name in ("speaker", "recording", "sentence")}
    names = folds.names or tuple(str(number) for number in range(len(folds)))
    found = []
    for name, (train, test), (before, _) in zip(names, folds.parts, given.parts, strict=True):
        classes = range(len(selection.classes))
        missing = [
            tuple(selection.classes[k] for k in np.setdiff1d(classes, selection.strata[part]))
            for part in (train, test)
        ]
        overlap = {name: _overlap(of, [(train, test)]) for name, of in groups.items()}
        dropped = len(before) - len(train)
        found.append(FoldAudit(name, len(train), len(test), dropped, overlap, *missing))
    overlap = {name: _overlap(of, folds.parts) for name, of in groups.items()}
    audit = FoldsAudit(tuple(found), overlap, repair, left_out or {})
    return replace(folds, audit=audit)


def repaired(folds: "Folds", selection: Selection, by: Sequence[str]) -> "Folds":
    """Drop from each training part what shares a speaker, recording or sentence with its test part.

    Raises:
        UsageError: some speakers or sentences are unknown, or nothing is left to train on.
    """
    for name in by:
        if name != "recording":
            grouping(selection.utterances, name, f"--repair {name}", "the folds without it")
        of = _groups(selection, name)
        parts = [(train[~np.isin(of[train], of[test])], test) for train, test in folds.parts]
        for number, (train, _) in enumerate(parts):
            if not len(train):
                fold = folds.names[number] if folds.names else number
                raise UsageError(
                    f"--repair {name}: every {name} in the training part of fold {fold} is in its "
                    f"test part too, so nothing is left to train on; ask for --folds speaker"
                )
        folds = replace(folds, parts=parts)
    return folds


def _groups(selection: Selection, name: str) -> npt.NDArray[np.object_]:
    """(utterance,) speaker, recording or sentence; "" if it is unknown."""
    table = selection.utterances
    if name == "speaker":
        return np.where(table["speaker"] == "", "", selection.speakers).astype(object)
    if name == "recording":  # an utterance of an unknown recording is one of its own
        sha256 = as_text(table["sha256"]) if "sha256" in table else ""
        return np.where(sha256 == "", table["id"], sha256).astype(object)
    unknown = np.full(len(table), "", object)
    return as_text(table[name]).to_numpy(object) if name in table else unknown


def _overlap(of: npt.NDArray, parts: Sequence[tuple[npt.NDArray, npt.NDArray]]) -> Shared | None:
    """The groups of test parts, and those of them that are in training, over some folds."""
    shared, tested = set[str](), set[str]()
    for train, test in parts:
        tested |= {*of[test]}
        shared |= {*of[test]} & {*of[train]} - {""}
    return None if "" in tested else Shared(len(shared), len(tested))
