"""List the utterances that could not be embedded, and the reasons, beside the cache.

If several machines each extract a part of a list, each finished part leaves a report beside the
shards.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.atomic import publish_bytes
from data.cache.file import parts_folder

REPORTS = "part-*-of-*.json"

Row = Mapping[str, Any]  # id, file, reason


@dataclass(frozen=True)
class Report:
    """The report of a finished part."""

    number: int
    of: int  # number of parts
    plan: str  # checksum of the list of utterances that the parts were cut from
    utterances: int  # in the whole list
    refused: Sequence[Row]


def errors_file(cache: Path) -> Path:
    """The file that lists refused utterances, one JSON object a line."""
    return cache.with_name(cache.name + ".errors.jsonl")


def write_errors(cache: Path, rows: Sequence[Row]) -> None:
    """Write the list of refused utterances, or remove it if there are none."""
    if not rows:
        errors_file(cache).unlink(missing_ok=True)
        return
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    publish_bytes(errors_file(cache), "".join(lines).encode())


def publish(cache: Path, report: Report) -> None:
    """Write the report of a part, in place of an earlier one."""
    folder = parts_folder(cache)
    folder.mkdir(exist_ok=True)  # another machine may have removed it as unused
    name = f"part-{report.number}-of-{report.of}.json"
    publish_bytes(folder / name, json.dumps(asdict(report)).encode())


def read(cache: Path) -> list[Report]:
    """Read all reports of a cache."""
    reports = []
    for path in sorted(parts_folder(cache).glob(REPORTS)):
        with contextlib.suppress(FileNotFoundError):
            reports.append(Report(**json.loads(path.read_bytes())))
    return reports


def refused(cache: Path, plan: str) -> dict[str, Row]:
    """Refused utterances by id, of the parts of one list and of the packed cache."""
    return _by_id(cache, [report for report in read(cache) if report.plan == plan])


def collect(cache: Path, packed: Callable[[], Collection[str]]) -> dict[str, Row]:
    """Write the list of the utterances that all parts have refused, and remove their reports.

    Call it after packing.

    Args:
        cache: path of the cache.
        packed: returns the ids in the cache; called only if there are reports.

    Returns:
        The refused utterances by id.
    """
    if not (reports := read(cache)):
        return {}
    ids = packed()
    rows = {name: row for name, row in sorted(_by_id(cache, reports).items()) if name not in ids}
    write_errors(cache, list(rows.values()))
    for path in parts_folder(cache).glob(REPORTS):
        path.unlink(missing_ok=True)
    return rows


def _by_id(cache: Path, reports: Sequence[Report]) -> dict[str, Row]:
    rows: list[Row] = []
    with contextlib.suppress(FileNotFoundError):
        rows += map(json.loads, errors_file(cache).read_text("utf-8").splitlines())
    return {row["id"]: row for row in [*rows, *(r for report in reports for r in report.refused)]}
