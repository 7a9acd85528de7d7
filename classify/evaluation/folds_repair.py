"""Audit folds, and drop from training what shares something with a test part."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, as_text, grouping
from classify.evaluation.folds import Folds
from classify.evaluation.folds_audit import FoldAudit, FoldsAudit, Shared
from data.errors import UsageError


def audited(
    folds: Folds,
    selection: Selection,
    given: Folds,
    repair: tuple[str, ...] = (),
    left_out: dict[str, int] | None = None,
) -> Folds:
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
