"""Find speakers, recordings and sentences of test parts in training, and drop them from it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, grouping, texts
from classify.evaluation.folds import Folds, Parts
from classify.evaluation.folds_audit import FoldAudit, FoldsAudit, Overlap, Shared
from data.errors import UsageError

GROUPS = ("speaker", "recording", "sentence")


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
