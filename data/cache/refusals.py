"""Utterances that could not be embedded, and the reasons: a list beside the cache.

While several machines each extract a part of a list, each part that is finished leaves a report
beside the shards.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.atomic import publish_bytes
from data.cache.file import parts_folder

Row = Mapping[str, Any]  # id, file, reason


@dataclass(frozen=True)
class Report:
    """The report of a part that is finished."""

    number: int
    of: int  # parts
    plan: str  # equal if two parts were cut from one list of utterances
    utterances: int  # in that list
    refused: Sequence[Row]


def errors_file(cache: Path) -> Path:
    """Where refused utterances are listed, one JSON object a line."""
    return cache.with_name(cache.name + ".errors.jsonl")


def write_errors(cache: Path, rows: Sequence[Row]) -> None:
    """List refused utterances; without any, there is no list."""
    if not rows:
        errors_file(cache).unlink(missing_ok=True)
        return
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    publish_bytes(errors_file(cache), "".join(lines).encode())


def publish(cache: Path, report: Report) -> None:
    """Write the report of a part; it replaces an earlier one of that part."""
    folder = parts_folder(cache)
    folder.mkdir(exist_ok=True)  # another machine may have taken it for unused
    name = f"part-{report.number}-of-{report.of}.json"
    publish_bytes(folder / name, json.dumps(asdict(report)).encode())


def read(cache: Path) -> list[Report]:
    """Read all reports of a cache."""
    found = []
    for path in sorted(parts_folder(cache).glob("part-*-of-*.json")):
        with contextlib.suppress(FileNotFoundError):
            found.append(Report(**json.loads(path.read_bytes())))
    return found


def refused(cache: Path, plan: str) -> dict[str, Row]:
    """Refused utterances by id, in the parts of one list and in what was packed before."""
    rows = {row["id"]: row for row in _errors(cache)}
    for report in read(cache):
        if report.plan == plan:
            rows |= {row["id"]: row for row in report.refused}
    return rows


def collect(cache: Path, packed: Callable[[], Collection[str]]) -> dict[str, Row]:
    """After packing: write the list of what all parts have refused, and remove their reports.

    Args:
        packed: returns the ids in the cache; called only if there are reports.
    """
    if not (found := read(cache)):
        return {}
    rows = {row["id"]: row for row in _errors(cache)}
    for report in found:
        rows |= {row["id"]: row for row in report.refused}
    held = packed()
    rows = {name: rows[name] for name in sorted(rows) if name not in held}
    write_errors(cache, list(rows.values()))
    for path in parts_folder(cache).glob("part-*-of-*.json"):
        path.unlink(missing_ok=True)
    return rows


def _errors(cache: Path) -> list[Row]:
    try:
        return [json.loads(line) for line in errors_file(cache).read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []
