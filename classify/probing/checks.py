"""The results of an audit."""

from dataclasses import asdict, dataclass
from typing import Any

OK, NOTE, FAIL = "ok", "note", "fail"


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    check: str
    target: str
    status: str  # ok, note (to know when reading the curves), fail (they may be untrue)
    detail: str


@dataclass(frozen=True)
class Audit:
    """All checks, and the list of fitted parameters."""

    checks: tuple[Check, ...]
    fitted: tuple[tuple[str, str], ...]  # what, where

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != FAIL for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The audit as it is written to ``probe.json``."""
        return {
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
            "fitted": [{"what": what, "where": where} for what, where in self.fitted],
        }
