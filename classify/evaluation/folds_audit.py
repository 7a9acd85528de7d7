"""The audit of folds: overlap of training and test parts, and missing classes.

`repaired` drops from training what shares something with a test part.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, grouping, texts
from classify.evaluation.folds import Folds, Parts
from data.errors import UsageError
from data.text import several

GROUPS = ("speaker", "recording", "sentence")


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


def audit(
    folds: Folds,
    selection: Selection,
    given: Folds,
    repair: tuple[str, ...] = (),
    left_out: dict[str, int] | None = None,
) -> FoldsAudit:
    """Audit folds.

    Args:
        folds: to audit.
        selection: their utterances.
        given: the folds before their repair.
        repair: by what they were repaired.
        left_out: see `FoldsAudit`.
    """
    groups = {name: _groups(selection, name) for name in GROUPS}

    def overlap(parts: Parts) -> Overlap:
        return {name: _shared(of, parts) for name, of in groups.items()}

    def lacking(part: npt.NDArray[np.intp]) -> tuple[str, ...]:
        missing = np.setdiff1d(range(len(selection.classes)), selection.strata[part])
        return tuple(selection.classes[number] for number in missing)

    found = [
        FoldAudit(
            fold=folds.name(number),
            training=len(train),
            tested=len(test),
            dropped=len(given.parts[number][0]) - len(train),
            overlap=overlap([(train, test)]),
            untrained=lacking(train),
            untested=lacking(test),
        )
        for number, (train, test) in enumerate(folds.parts)
    ]
    return FoldsAudit(tuple(found), overlap(folds.parts), repair, left_out or {})


def repaired(folds: Folds, selection: Selection, by: Sequence[str]) -> Folds:
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
                raise UsageError(
                    f"--repair {name}: every {name} in the training part of fold "
                    f"{folds.name(number)} is in its test part too, so nothing is left to train "
                    "on; ask for --folds speaker"
                )
        folds = replace(folds, parts=parts)
    return folds


def _groups(selection: Selection, name: str) -> npt.NDArray[np.object_]:
    """(utterance,) speaker, recording or sentence; "" if it is unknown."""
    table = selection.utterances
    if name == "speaker":
        return np.where(table["speaker"] == "", "", selection.speakers).astype(object)
    if name == "recording":  # an utterance of an unknown recording is one of its own
        sha256 = texts(table, "sha256")
        return np.where(sha256 == "", table["id"], sha256).astype(object)
    return texts(table, name)


def _shared(of: npt.NDArray, parts: Parts) -> Shared | None:
    """The groups of test parts, and those of them that are in training, over some folds."""
    shared, tested = set[str](), set[str]()
    for train, test in parts:
        tested |= {*of[test]}
        shared |= {*of[test]} & {*of[train]} - {""}
    return None if "" in tested else Shared(len(shared), len(tested))
