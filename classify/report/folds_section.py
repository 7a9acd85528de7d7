"""The audit of given folds, on top of a page."""

from collections.abc import Iterable

from classify.evaluation.folds import Folds
from classify.evaluation.folds_audit import FoldsAudit
from classify.report.page import Section, Table

WARNINGS = {
    "leak": "The folds leak: {}. Scores on new ones may be lower.",
    "classes": "Some training parts lack a class, which they cannot predict: {}.",
    "repaired": "The folds were changed: {}.",
}


def warnings(folds: Iterable[Folds]) -> list[str]:
    """What limits the scores, of several targets without repetition."""
    audits = [one.audit for one in folds if one.audit]
    found = [WARNINGS[name].format(text) for one in audits for name, text in one.findings.items()]
    return list(dict.fromkeys(found))


def sections(folds: Iterable[Folds]) -> list[Section]:
    """A table of the folds; of several targets that of the first, since they have the same."""
    return [_table(one.audit) for one in folds if one.audit][:1]


def _table(audit: FoldsAudit) -> Section:
    rows = [
        (
            fold.fold,
            fold.training,
            fold.tested,
            *("unknown" if shared is None else shared for shared in fold.overlap.values()),
            ", ".join(fold.untrained) or "none",
            ", ".join(fold.untested) or "none",
            *([fold.dropped] if audit.repair else []),
        )
        for fold in audit.folds
    ]
    shared = [f"test {name}s in training" for name in audit.overlap]
    head = ["fold", "training", "test", *shared, "classes not in training", "classes not in test"]
    head += ["dropped from training"] if audit.repair else []
    left_out = ", ".join(f"{count} {reason}" for reason, count in audit.left_out.items() if count)
    text = "Recordings are the same if the SHA-256 of their files is." + (
        f" Utterances in no part: {left_out}." if left_out else ""
    )
    return Section("Audit of the folds", table=Table(head, rows, words=True), text=text)
