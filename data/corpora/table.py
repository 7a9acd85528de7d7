"""A CSV, TSV or Parquet table with one row per utterance, such as segments of long recordings.

The columns are ``file`` (relative to the table), ``start`` and ``end`` (seconds), ``emotion``,
``speaker``, and any others. Only ``file`` is required. In CSV and TSV files, an apostrophe of
`data.spreadsheet` is removed. A folder with exactly one table is read by this table.
"""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data.corpora.folder import RESERVED
from data.corpora.tree import TABLES, Tree, tally
from data.errors import CorpusError
from data.spreadsheet import restored
from data.utterance import Utterance

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Table of recordings"
SIZE = None
ORIGIN = TERMS = CITATION = "your own"
LANGUAGES: tuple[str, ...] = ()
LABELS: Mapping[str, str | None] = {}  # English words, see `data.emotions`

OWN = ("file", "start", "end", "emotion", "speaker")
TEXT = {"file": str, "emotion": str, "speaker": str}  # speaker 01 is not the number 1


def recognise(tree: Tree) -> bool:
    """Whether the root is a table, or a folder with one table whose first recording exists."""
    tables = _tables(tree)
    if not tree.recordings or len(tables) != 1:
        return len(tables) == 1
    try:
        first = _load(tree.root / tables[0])["file"].iloc[0]
    except CorpusError:
        return False
    return isinstance(first, str) and (tree.root / first).is_file()


def read(tree: Tree) -> tuple[list[Utterance], list[str]]:
    """Read utterances and warnings.

    A row is left out if its recording is missing or outside of the table's folder, or if its
    segment is invalid.

    Raises:
        CorpusError: the table cannot be read, is empty, has no ``file`` column, has two different
            rows for one utterance, or has no valid row.
    """
    tables = _tables(tree)
    if len(tables) != 1:
        raise CorpusError(f"{tree.root}: the folder contains {len(tables)} tables; give one table")
    table = tree.root / tables[0]
    frame = _load(table)
    extra = [name for name in frame.columns if name not in OWN]
    usable = [name for name in extra if name not in (*RESERVED, "", ".") and "/" not in name]
    utterances: dict[str, Utterance] = {}
    missing, repeated, bad = [], [], []
    folder = _Folder(table, tree.follow_links)
    for number, row in enumerate(_rows(frame), start=1):
        where = f"{table}, row {number}"
        try:
            path, exists = folder.locate(row.get("file"), where)
            if not exists:
                missing.append(path)
                continue
            utterance = _utterance(table, path, row, usable, where)
        except CorpusError as error:
            bad.append(str(error))
            continue
        first = utterances.setdefault(utterance.id, utterance)
        if first is not utterance:
            if first != utterance:
                raise CorpusError(f"{where}: differs from an earlier row of {utterance.id}")
            repeated.append(path)
    if not utterances and bad:
        raise CorpusError(bad[0])
    if not utterances:
        raise CorpusError(f"{table}: none of its recordings exists (first: {missing[0]})")
    warnings = tally("invalid rows, left out", bad)
    warnings += tally("rows of missing recordings, left out", missing)
    warnings += tally("rows that repeat another, left out", repeated)
    unusable = sorted(set(extra) - set(usable))
    warnings += tally("columns with names that a cache cannot store, left out", unusable)
    return list(utterances.values()), warnings


def _tables(tree: Tree) -> list[str]:
    return [path for path in tree.others if path.lower().endswith(TABLES) and "/" not in path]


def _load(table: Path) -> "pd.DataFrame":
    import pandas as pd

    suffix = table.suffix.lower()
    try:
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
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorpusError(f"{table}: cannot be read as a table: {reason}") from error
    frame.columns = frame.columns.map(str)
    if suffix != ".parquet":
        frame = _restored(frame)
    if "file" not in frame.columns:
        raise CorpusError(f"{table}: no column 'file'; its columns are {', '.join(frame.columns)}")
    if frame.empty:
        raise CorpusError(f"{table}: the table has no rows")
    return frame


def _restored(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Remove the apostrophes of `data.spreadsheet` from column names and cells."""
    names = [restored(name) for name in frame.columns]
    texts = frame.select_dtypes(exclude="number")
    frame[texts.columns] = texts.map(lambda cell: restored(cell) if isinstance(cell, str) else cell)
    return frame.set_axis(names, axis=1) if len(set(names)) == len(names) else frame


def _rows(frame: "pd.DataFrame") -> Iterator[dict[str, str | float]]:
    """Yield the values of each row as strings and numbers, without missing values."""
    columns = [frame[name].tolist() for name in frame.columns]
    for values, absent in zip(zip(*columns, strict=True), frame.isna().to_numpy(), strict=True):
        yield {
            name: _plain(value)
            for name, value, gone in zip(frame.columns, values, absent, strict=True)
            if not gone
        }


def _plain(value: object) -> str | float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number else str(value)  # type: ignore[return-value]


def _utterance(
    table: Path, path: str, row: dict[str, str | float], extra: list[str], where: str
) -> Utterance:
    start, end = _seconds(row, "start", where), _seconds(row, "end", where)
    if end is not None and end <= (start or 0):
        raise CorpusError(
            f"{where}: the segment ends at {end:g} s, expected after {start or 0:g} s"
        )
    segment = ""
    if start is not None or end is not None:
        until = "" if end is None else f"{end:010.3f}"
        segment = f"#{start or 0:010.3f}-{until}"
    return Utterance(
        id=f"{table.stem}/{path}{segment}",
        corpus=table.stem,
        root=table.parent,
        path=path,
        speaker=_text(row.get("speaker")),
        emotion=_text(row.get("emotion")),
        start=start,
        end=end,
        attributes={name: row[name] for name in extra if name in row},
    )


def _seconds(row: dict[str, str | float], column: str, where: str) -> float | None:
    if column not in row:
        return None
    try:
        seconds = float(row[column])
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise CorpusError(f"{where}: {column} is {row[column]!r}; expected seconds, 0 or more")
    return seconds


def _text(value: str | float | None) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a Parquet column of numbers and gaps
    return None if value is None else str(value).strip() or None


class _Folder:
    """Locates recordings of the ``file`` column, each name once."""

    def __init__(self, table: Path, follow_links: bool) -> None:
        self.folder = os.path.abspath(table.parent)
        self.inside = os.path.join(os.path.realpath(self.folder), "")
        self.follow_links = follow_links
        self.known: dict[str, tuple[str, bool]] = {}

    def locate(self, name: str | float | None, where: str) -> tuple[str, bool]:
        """Return the path relative to the table, with forward slashes, and whether it exists."""
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise CorpusError(f"{where}: the file name is missing")
        if name not in self.known:
            place = os.path.normpath(os.path.join(self.folder, name.strip()))
            if not self.follow_links and not os.path.realpath(place).startswith(self.inside):
                raise CorpusError(
                    f"{where}: {name} lies outside of the table's folder; "
                    "move it there, or allow it with --follow-links"
                )
            path = os.path.relpath(place, self.folder).replace(os.sep, "/")
            self.known[name] = path, os.path.isfile(place)
        return self.known[name]
