"""Utterances of rows, which tables and data sets of other programs have.

A row maps names of columns to text and numbers; unknown values are left out. ``file``, ``start``,
``end`` (seconds), ``emotion`` and ``speaker`` make the utterance, all others its attributes.
"""

import contextlib
import gzip
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.corpora.tree import SEXES, Found, tally
from data.errors import CorpusError
from data.spreadsheet import restored
from data.utterance import Utterance

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, str | float]

NAMED = ("file", "start", "end", "emotion", "speaker")
TEXT = {"file": str, "emotion": str, "speaker": str}  # speaker 01 is not the number 1
RESERVED = {field.name for field in fields(Utterance)} | {"file", "duration", "sha256"}
PREFIX = "wav2emo_"
OWN = ("id", "corpus", "path", "start", "end")  # written with PREFIX, so that nothing is lost
SYNONYMS = {"label": "emotion", "speaker_id": "speaker", "gender": "sex"}
LONGEST_LINE = 1 << 24  # characters, of a file of JSON lines


def load(table: Path) -> "pd.DataFrame":
    """Read a CSV, TSV or Parquet file.

    Raises:
        CorpusError: the file cannot be read, or has no rows.
    """
    import pandas as pd

    suffix = table.suffix.lower()
    with reading(table):
        if suffix == ".parquet":
            frame = pd.read_parquet(table)
        else:
            frame = pd.read_csv(
                table,
                sep="\t" if suffix == ".tsv" else ",",
                dtype=TEXT,
                encoding="utf-8-sig",
                keep_default_na=False,  # "NA" and "none" may be labels
                na_values=[""],
                skipinitialspace=True,
            )
    frame.columns = frame.columns.map(str)
    return frame if suffix == ".parquet" else _restored(frame)


@contextlib.contextmanager
def reading(table: Path) -> Iterator[None]:
    """Make a `CorpusError` of the errors that reading a table raises."""
    try:
        yield
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorpusError(f"{table}: cannot be read as a table: {reason}") from error


def _restored(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Remove the apostrophes of `data.spreadsheet` from column names and cells."""
    names = [restored(name) for name in frame.columns]
    texts = frame.select_dtypes(exclude="number")
    frame[texts.columns] = texts.map(lambda cell: restored(cell) if isinstance(cell, str) else cell)
    return frame.set_axis(names, axis=1) if len(set(names)) == len(names) else frame


def of_frame(frame: "pd.DataFrame") -> Iterator[Row]:
    """Yield the values of each row as strings and numbers, without missing values."""
    columns = [frame[name].tolist() for name in frame.columns]
    for values, absent in zip(zip(*columns, strict=True), frame.isna().to_numpy(), strict=True):
        yield {
            name: plain(value)
            for name, value, gone in zip(frame.columns, values, absent, strict=True)
            if not gone
        }


def json_lines(path: Path, what: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines, which gzip may have compressed.

    Args:
        path: the file.
        what: its expected content, for the message.

    Raises:
        CorpusError: the file cannot be read.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number in count(1):
                if not (line := file.readline(LONGEST_LINE)):
                    return
                if not isinstance(value := json.loads(line), dict):
                    raise ValueError(f"line {number} is not an object")
                yield value
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: cannot be read as {what}: {error}") from None


def plain(value: object) -> str | float:
    """A number as it is, anything else as text."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number else str(value)  # type: ignore[return-value]


def renamed(row: Row) -> Row:
    """Give the columns of other programs the names of this one, unless this one wrote the row.

    >>> renamed({"file": "a.wav", "label": "sad", "gender": "F"})
    {'file': 'a.wav', 'emotion': 'sad', 'sex': 'female'}
    """
    if PREFIX + "id" in row:
        return row
    taken = {name for name, target in SYNONYMS.items() if target in row}
    row = {k if k in taken else SYNONYMS.get(k, k): v for k, v in row.items()}
    if "sex" in row:
        sex = str(row["sex"]).lower()
        row["sex"] = SEXES.get(sex, sex)
    return row


def utterances(
    origin: Path, name: str, folder: Path, rows: Iterable[Row], follow_links: bool
) -> Found:
    """Utterances and warnings.

    A row is left out if its recording is missing or outside of `folder`, or if its segment is
    invalid.

    Args:
        origin: the table, for messages.
        name: of the corpus.
        folder: the paths of recordings are relative to it.
        rows: in the order of the table.
        follow_links: whether to read recordings outside of `folder`.

    Raises:
        CorpusError: no row is valid, or two rows of one utterance differ.
    """
    found: dict[str, Utterance] = {}
    missing, repeated, bad = [], [], []
    unusable: set[str] = set()
    locate = _locator(folder, follow_links)
    for number, row in enumerate(rows, start=1):
        where = f"{origin}, row {number}"
        unusable |= {name for name in row if _is_attribute(name) and _taken(name)}
        try:
            path, exists = locate(row.get("file"), where)
            if not exists:
                missing.append(path)
                continue
            utterance = _utterance(name, folder, path, row, where)
        except CorpusError as error:
            bad.append(str(error))
            continue
        first = found.setdefault(utterance.id, utterance)
        if first is not utterance:
            if first != utterance:
                raise CorpusError(f"{where}: differs from an earlier row of {utterance.id}")
            repeated.append(path)
    if not found and bad:
        raise CorpusError(bad[0])
    if not found and missing:
        raise CorpusError(f"{origin}: none of its recordings exists (first: {missing[0]})")
    if not found:
        raise CorpusError(f"{origin}: the table has no rows")
    warnings = tally("invalid rows, left out", bad)
    warnings += tally("rows of missing recordings, left out", missing)
    warnings += tally("rows that repeat another, left out", repeated)
    warnings += tally("columns with names that a cache cannot store, left out", sorted(unusable))
    return list(found.values()), warnings


def _is_attribute(name: str) -> bool:
    return name not in NAMED and not name.startswith(PREFIX)


def _taken(name: str) -> bool:
    return name in (*RESERVED, "", ".") or "/" in name


def _utterance(name: str, folder: Path, path: str, row: Row, where: str) -> Utterance:
    own = {key: row[PREFIX + key] for key in OWN if PREFIX + key in row}
    timed = own if "id" in own else row
    start, end = _seconds(timed, "start", where), _seconds(timed, "end", where)
    if end is not None and end <= (start or 0):
        raise CorpusError(
            f"{where}: the segment ends at {end:g} s, expected after {start or 0:g} s"
        )
    segment = ""
    if start is not None or end is not None:
        until = "" if end is None else f"{end:010.3f}"
        segment = f"#{start or 0:010.3f}-{until}"
    root = folder
    inner = str(own.get("path", path))
    place = os.path.abspath(folder / path)
    if place.endswith(os.sep + inner):
        root, path = (root if inner == path else Path(place[: -len(inner)])), inner
    return Utterance(
        id=str(own.get("id", f"{name}/{path}{segment}")),
        corpus=str(own.get("corpus", name)),
        root=root,
        path=path,
        speaker=_text(row.get("speaker"), "id" in own),
        emotion=_text(row.get("emotion"), "id" in own),
        start=start,
        end=end,
        attributes={k: v for k, v in row.items() if _is_attribute(k) and not _taken(k)},
    )


def _seconds(row: Mapping[str, str | float], column: str, where: str) -> float | None:
    if column not in row:
        return None
    try:
        seconds = float(row[column])
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise CorpusError(f"{where}: {column} is {row[column]!r}; expected seconds, 0 or more")
    return seconds


def _text(value: str | float | None, exact: bool) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a Parquet column of numbers and gaps
    if value is None or exact:
        return value  # type: ignore[return-value]
    return str(value).strip() or None


def _locator(
    folder: Path, follow_links: bool
) -> Callable[[str | float | None, str], tuple[str, bool]]:
    """Make a function that locates the recording of a ``file`` column, each name once.

    It returns the path relative to `folder`, with forward slashes, and whether the file exists.
    """
    root = os.path.abspath(folder)
    inside = os.path.join(os.path.realpath(root), "")
    known: dict[str, tuple[str, bool]] = {}

    def locate(name: str | float | None, where: str) -> tuple[str, bool]:
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise CorpusError(f"{where}: the file name is missing")
        if name not in known:
            place = os.path.normpath(os.path.join(root, name.strip()))
            if not follow_links and not os.path.realpath(place).startswith(inside):
                raise CorpusError(
                    f"{where}: {name} lies outside of the table's folder; "
                    "move it there, or allow it with --follow-links"
                )
            known[name] = os.path.relpath(place, root).replace(os.sep, "/"), os.path.isfile(place)
        return known[name]

    return locate


def columns(found: Sequence[Utterance]) -> dict[str, list[str | float | None]]:
    """Columns of equal length for a table, of which `utterances` makes the same utterances.

    As in a cache, a column is text if one of its values is.
    """
    names = sorted({name for utterance in found for name in utterance.attributes})
    result: dict[str, list[str | float | None]] = {
        "emotion": [u.emotion for u in found],
        "speaker": [u.speaker for u in found],
    }
    result |= {name: [u.attributes.get(name) for u in found] for name in names}
    result |= {PREFIX + name: [getattr(u, name) for u in found] for name in OWN}
    return {name: _alike(values) for name, values in result.items()}


def _alike(values: list[str | float | None]) -> list[str | float | None]:
    def convert(kind: type) -> list[str | float | None]:
        return [None if value is None else kind(value) for value in values]

    kinds = {type(value) for value in values if value is not None}
    big = any(isinstance(value, int) and abs(value) > 1 << 53 for value in values)
    if str in kinds or big:
        return convert(str)
    return convert(float) if float in kinds else values
