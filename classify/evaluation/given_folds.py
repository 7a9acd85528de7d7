"""Folds that are given by a file or by a column of the cache. They are used as they are."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from posixpath import splitext

import numpy as np
import pandas as pd

from classify.dataset import Selection, as_text
from classify.evaluation import fold_files
from classify.evaluation.folds import UNKNOWN_SPEAKERS, Folds
from data.errors import UsageError
from data.text import several

log = logging.getLogger("wav2emo")

COLUMN = "column:"  # before the name of a column
FEW = 3  # names that a message lists

Members = dict[str, dict[str, set[int]]]  # fold → part → rows of the selection


def given_folds(text: str, selection: Selection) -> tuple[Folds, dict[str, int]]:
    """The folds that ``--folds`` gives.

    Args:
        text: ``column:NAME``, or a file; see `classify.evaluation.fold_files`.
        selection: the utterances.

    Returns:
        Folds, and how many utterances are in none of their parts: ``unnamed`` by the folds, or
        named in a ``development`` part alone.

    Raises:
        UsageError: a file or a column does not exist or has another format, the file names what
            the cache lacks, a fold has no training or test part, or two folds test an utterance.
    """
    members: Members = defaultdict(lambda: defaultdict(set))
    source = text.removeprefix(COLUMN) if text.startswith(COLUMN) else Path(text).name
    found = _column(source, selection) if text.startswith(COLUMN) else _files(text, selection)
    for row, fold, part in found:
        members[fold][part].add(row)
    alone = [fold for fold, parts in members.items() if "" in parts]
    tested = {row for fold in alone for row in members[fold][""]}
    for fold in alone:  # no part is named: test, and training of all others
        own = members[fold].pop("")
        members[fold]["test"] |= own
        members[fold]["train"] |= tested - own
    _require_parts(text, members, selection)
    names = sorted(members, key=_natural)
    parts = [(_rows(members[name]["train"]), _rows(members[name]["test"])) for name in names]
    kind, known = f"folds of {source}", selection.speakers_known
    if not known:
        log.warning(UNKNOWN_SPEAKERS)
        kind += f" ({len(parts)}), speakers unknown"
    folds = Folds(kind, parts, by_speaker=known, names=tuple(names))
    return folds, _left_out(text, folds, members, selection)


def _column(name: str, selection: Selection) -> Iterable[tuple[int, str, str]]:
    """Rows, folds and parts of a column: train and test of one fold, or a fold a value."""
    table = selection.utterances
    if name not in table:
        raise UsageError(f"--folds {COLUMN}{name}: the cache has the columns {', '.join(table)}")
    values = as_text(table[name])
    parts = [fold_files.part(value) for value in values]
    if all(part for part, value in zip(parts, values, strict=True) if value):
        return [(row, name, part) for row, part in enumerate(parts) if part]
    return [(row, value, "") for row, value in enumerate(values) if value]


def _files(path: str, selection: Selection) -> Iterable[tuple[int, str, str]]:
    """Rows, folds and parts of the entries of files; a name may be of several segments."""
    entries = fold_files.entries(path)
    tables = [selection.utterances, selection.left_out]
    table = pd.concat([one[["id", "corpus", "path"]] for one in tables if one is not None])
    rows = _rows_of(dict.fromkeys(entry.name for entry in entries), table)
    if unknown := [name for name, found in rows.items() if not found]:
        more = ", …" if len(unknown) > FEW else ""
        raise UsageError(
            f"--folds {path}: the cache lacks {len(unknown):,} of {several(len(rows), 'name')}: "
            f"{', '.join(unknown[:FEW])}{more}; embed them too, or remove them from the file"
        )
    size = len(selection.y)  # the rows beyond are not selected
    return [(row, e.fold, e.part) for e in entries for row in rows[e.name] if row < size]


def _rows_of(names: Iterable[str], table: pd.DataFrame) -> dict[str, list[int]]:
    """Name → rows of the utterance, or of the segments of a file; none: it is unknown.

    A name is an id, or has the longest end in common with an id or a path without its extension.

    Raises:
        UsageError: several files have that end.
    """
    ids = {name: row for row, name in enumerate(table["id"])}
    ends = defaultdict(list)  # last components of an id or a path → rows
    for row, (name, file) in enumerate(zip(table["id"], table["path"], strict=True)):
        for end in {*_ends(_components(name)), *_ends(_stem(_components(file)))}:
            ends[end].append(row)
    files = list(zip(table["corpus"], table["path"], strict=True))
    found = {}
    for name in names:
        path = _components(name)
        both = (*_ends(path), *_ends(_stem(path)))  # the part after a dot need not be an extension
        rows = [ids[name]] if name in ids else next((ends[e] for e in both if e in ends), [])
        if len(several_files := dict.fromkeys(files[row] for row in rows)) > 1:
            shown = " and ".join("/".join(file) for file in list(several_files)[:2])
            raise UsageError(
                f"--folds: {name} may be {shown}: give ids, or longer paths, or --corpus"
            )
        found[name] = rows
    return found


def _components(path: str) -> tuple[str, ...]:
    """Components of a path of any system, composed (NFC), since systems differ in accents."""
    text = unicodedata.normalize("NFC", path).replace("\\", "/")
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _stem(components: tuple[str, ...]) -> tuple[str, ...]:
    """The same without the extension of the last one."""
    return (*components[:-1], *(splitext(name)[0] for name in components[-1:]))


def _ends(components: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The last components, the most of them first."""
    return [components[start:] for start in range(len(components))]


def _require_parts(text: str, members: Members, selection: Selection) -> None:
    """Refuse a fold without a training or a test part, and an utterance that two folds test."""
    ids, tested = selection.utterances["id"], dict[int, str]()
    if not members:
        raise UsageError(f"--folds {text}: it names no fold of the selected utterances")
    for name, parts in members.items():
        for row in parts["test"]:
            if tested.setdefault(row, name) != name:
                raise UsageError(
                    f"--folds {text}: {ids[row]} is tested in fold {tested[row]} and in fold "
                    f"{name}; give folds that test each utterance once, such as those of one "
                    "repetition, by a pattern: 'FOLDER/*_[1-5].csv'"
                )
    for name, parts in members.items():
        for part, what in (("train", "training"), ("test", "test")):
            if not parts[part]:
                raise UsageError(
                    f"--folds {text}: fold {name} has no {what} part among the selected utterances"
                )


def _left_out(text: str, folds: Folds, members: Members, selection: Selection) -> dict[str, int]:
    """Count the utterances that are in no part, by reason, and log the counts."""
    count = len(selection.y)
    named = {row for parts in members.values() for rows in parts.values() for row in rows}
    unnamed = np.setdiff1d(np.arange(count), _rows(named))
    found = {"unnamed": len(unnamed), "development": len(named) - len(folds.used)}
    if len(unnamed):
        log.warning(
            "left out %d of %d utterances that no fold of %s names, such as %s",
            len(unnamed), count, text, selection.utterances["id"][unnamed[0]],
        )  # fmt: skip
    if found["development"]:
        log.warning("left out %d of %d utterances of development parts alone: they are neither "
                    "trained on nor tested", found["development"], count)  # fmt: skip
    return found


def _rows(rows: Iterable[int]) -> np.ndarray:
    return np.array(sorted(rows), np.intp)


def _natural(name: str) -> list[str | int]:
    """Sorts fold 10 after fold 2."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
