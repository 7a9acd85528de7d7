"""A CSV, TSV or Parquet table with one row per utterance, such as segments of long recordings.

The columns are ``file`` (relative to the table), ``start`` and ``end`` (seconds), ``emotion``,
``speaker``, and any others. Only ``file`` is required. In CSV and TSV files, an apostrophe of
`data.spreadsheet` is removed. A folder with exactly one table is read by this table.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from data.corpora import rows
from data.corpora.tree import TABLES, Found, Tree
from data.errors import CorpusError

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Table of recordings"
SIZE = None
LABELS: dict[str, str | None] = {}  # English words, see `data.emotions`


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


def read(tree: Tree) -> Found:
    """Read utterances and warnings, see `data.corpora.rows.utterances`.

    Raises:
        CorpusError: the table cannot be read, is empty, has no ``file`` column, has two different
            rows for one utterance, or has no valid row.
    """
    tables = _tables(tree)
    if len(tables) != 1:
        raise CorpusError(f"{tree.root}: the folder contains {len(tables)} tables; give one table")
    table = tree.root / tables[0]
    found = rows.of_frame(_load(table))
    return rows.utterances(table, table.stem, table.parent, found, tree.follow_links)


def _tables(tree: Tree) -> list[str]:
    return [path for path in tree.others if path.lower().endswith(TABLES) and "/" not in path]


def _load(table: Path) -> "pd.DataFrame":
    frame = rows.load(table)
    if "file" not in frame.columns:
        raise CorpusError(f"{table}: no column 'file'; its columns are {', '.join(frame.columns)}")
    if frame.empty:
        raise CorpusError(f"{table}: the table has no rows")
    return frame
