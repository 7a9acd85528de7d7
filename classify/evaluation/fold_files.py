"""Read the files in which others publish folds.

============================  ====================================================================
file                          fold and part of an utterance
============================  ====================================================================
CSV, ``id`` or ``file``       columns ``fold`` and, where there is one, ``part``; without ``part``,
                              an utterance is tested in its fold and trained on in all others
EMO-SUPERB, MSP-Podcast       column ``Split_Set``, a fold a file: ``FileName,…,Split_Set``
EmoBox                        the file's name: ``fold_1/emodb_train_fold_1.jsonl``, of JSON lines
                              ``{"key": …, "wav": …, …}``
============================  ====================================================================
"""

import glob
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from data.errors import UsageError
from data.spreadsheet import restored

PARTS = {
    "train": r"train(ing)?",
    "development": r"dev(elopment)?|val(id)?(ation)?",
    "test": r"test(ing)?\d*",  # MSP-Podcast has several
}
NAMES = ("id", "file", "filename", "wav", "audio", "key")  # columns and keys, the best first
NAMED_PART = re.compile(rf"(?:^|[_.-])({'|'.join(PARTS.values())})(?:[_.-]|$)", re.IGNORECASE)
NAMED_FOLD = re.compile(r"fold[_-]?(\d+)", re.IGNORECASE)
EXPECTED = (
    "a CSV file with the columns id or file, and fold or part or both; or EmoBox's files "
    "CORPUS_train_fold_1.jsonl, CORPUS_test_fold_1.jsonl, …, or a folder of either"
)


class Entry(NamedTuple):
    """An utterance in one part of one fold."""

    name: str  # its id, or its file
    fold: str
    part: str  # one of `PARTS`; "": tested in this fold, and trained on in all others


def part(text: str) -> str | None:
    """The one of `PARTS` that a word names; None if it names none.

    >>> part("Development"), part("Test1"), part("fear")
    ('development', 'test', None)
    """
    found = (name for name, words in PARTS.items() if re.fullmatch(words, text, re.IGNORECASE))
    return next(found, None)


def entries(path: str) -> list[Entry]:
    """Read a file, a folder, or all files that match a pattern such as ``labels_[1-5].csv``.

    Raises:
        UsageError: there is no such file, or it has another format.
    """
    found = []
    for file in _files(path):
        try:
            read = _json_lines(file) if file.suffix == ".jsonl" else _table(file)
            found += list(read)
        except (OSError, ValueError) as error:
            raise UsageError(f"--folds {file}: {error}; expected {EXPECTED}") from error
    return found


def _files(path: str) -> list[Path]:
    place = Path(path)
    if place.is_dir():
        files = [file for file in sorted(place.rglob("*.jsonl")) if NAMED_PART.search(file.stem)]
        files = files or sorted(place.rglob("*.csv"))
    else:
        files = [place] if place.exists() else sorted(map(Path, glob.glob(path, recursive=True)))
    if not files:
        raise UsageError(
            f"--folds {path}: expected auto, speaker, speaker+sentence, iemocap-session, a number, "
            f"column:NAME, or {EXPECTED}: there is no such file"
        )
    return files


def _table(file: Path) -> Iterator[Entry]:
    table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    columns = {str(name).lower(): name for name in reversed(table.columns)}
    name = next((columns[one] for one in NAMES if one in columns), None)
    fold, part_of = columns.get("fold"), columns.get("part", columns.get("split_set"))
    if name is None or (fold is None and part_of is None):
        raise ValueError(f"it has the columns {', '.join(map(str, table))}")
    folds = table[fold].map(restored) if fold else [file.stem] * len(table)
    parts = table[part_of] if part_of else [""] * len(table)
    for number, (utterance, of, word) in enumerate(zip(table[name], folds, parts, strict=True), 2):
        if part_of and word and not part(word):
            raise ValueError(f"row {number} has the part {word!r}, and not train, dev or test")
        if of and (word or not part_of):  # an empty cell is no fold
            yield Entry(restored(utterance), of, part(word) or "")


def _json_lines(file: Path) -> Iterator[Entry]:
    named = NAMED_PART.search(file.stem)
    if not named:
        raise ValueError("its name has no part, train or test")
    of = NAMED_FOLD.search(file.stem) or NAMED_FOLD.search(file.parent.name)
    fold = of[1] if of else file.parent.name
    for number, line in enumerate(file.read_text("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        record = json.loads(line)
        if not isinstance(record, dict) or not any(isinstance(record.get(n), str) for n in NAMES):
            raise ValueError(f"line {number} has no key or wav")
        name = next(record[one] for one in NAMES if isinstance(record.get(one), str))
        yield Entry(name.removeprefix(f"{record.get('dataset')}-"), fold, part(named[1]) or "")
