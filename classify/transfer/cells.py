"""The cells of a matrix: what is trained on, what is tested, and the classes that both have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, as_text
from classify.evaluation.folds import Rows, split
from data.errors import UsageError

WITHIN, ACROSS = "within", "across"
OTHERS, OTHER_LANGUAGES = "all others", "other languages"  # kinds, and rows of the matrix
FEWEST = 2  # classes
NONE = np.empty(0, np.intp)


@dataclass(frozen=True)
class Cell:
    """A training and a test, or within a corpus those of each fold.

    Attributes:
        trained: name of the corpus, or one of `OTHERS`, `OTHER_LANGUAGES`.
        tested: name of the corpus.
        kind: `WITHIN`, `ACROSS`, `OTHERS` or `OTHER_LANGUAGES`.
        parts: rows to train on and to test, of each fold.
        classes: (class,) numbers of those that are in training and test.
        left_out: utterances of a class that the other side lacks: in training, in test.
        excluded: utterances that are not trained on, since the recording or its speaker is tested.
        folds: description of the folds; "" if there are none.
    """

    trained: str
    tested: str
    kind: str
    parts: tuple[tuple[Rows, Rows], ...]
    classes: npt.NDArray[np.intp]
    left_out: tuple[int, int] = (0, 0)
    excluded: int = 0
    folds: str = ""

    @property
    def rows(self) -> Rows:
        """The tested rows, fold by fold."""
        return np.concatenate([test for _, test in self.parts])

    @property
    def rows_used(self) -> Rows:
        """Rows of all parts, sorted."""
        return np.unique(np.concatenate([rows for part in self.parts for rows in part]))

    def within(self, rows: Rows) -> "Cell":
        """The cell of some rows alone (sorted), which are numbered anew."""
        parts = [tuple(np.searchsorted(rows, part) for part in parts) for parts in self.parts]
        return replace(self, parts=tuple((train, test) for train, test in parts))


@dataclass(frozen=True)
class Matrix:
    """All cells, and the reasons for those that are empty."""

    domains: tuple[str, ...]  # corpora, or values of another column, sorted
    domain: npt.NDArray[np.intp]  # (utterance,) number of its domain
    cells: tuple[Cell, ...]
    empty: dict[tuple[str, str], str]  # trained, tested → reason


def domains(
    selection: Selection, by: str, only: Sequence[str] = ()
) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """Names of what is trained and tested on, and the number of each utterance's; -1: unknown, or
    not among `only`.

    Raises:
        UsageError: there are fewer than two, or no utterance has one of `only`.
    """
    table = selection.utterances
    if by not in table:
        raise UsageError(f"--by {by}: the cache has the columns {', '.join(table)}")
    values = as_text(table[by]).to_numpy(str)
    names = sorted(set(values) - {""})
    if unknown := [name for name in only if name not in names]:
        raise UsageError(
            f"--only {','.join(unknown)}: no selected utterance has this {by}; known: "
            f"{', '.join(names) or 'none'}"
        )
    names = [name for name in names if name in only or not only]
    if len(names) < 2:
        known = f"only {names[0]}" if names else "nothing"
        raise UsageError(
            f"--by {by}: the selected utterances have {known} there; expected two or more to train "
            "on one and test on another: extract several corpora into one cache"
        )
    place = {name: number for number, name in enumerate(names)}
    return tuple(names), np.array([place.get(value, -1) for value in values], np.intp)


def matrix(
    selection: Selection, by: str, folds: int | str, seed: int, only: Sequence[str] = ()
) -> Matrix:
    """The cells of a selection.

    Args:
        selection: the utterances, with classes.
        by: column of what is trained and tested on.
        folds: within one, see `classify.evaluation.folds.split`.
        seed: of these folds.
        only: values of the column to use; none: all.

    Raises:
        UsageError: there are fewer than two corpora, or no two of them share two classes.
    """
    names, domain = domains(selection, by, only)
    cells: list[Cell] = []
    empty: dict[tuple[str, str], str] = {}
    for number, tested in enumerate(names):
        mine = domain == number
        try:
            cells.append(_within(selection, tested, np.flatnonzero(mine), folds, seed))
        except UsageError as error:
            empty[tested, tested] = str(error)
        for trained, kind, rows in _sources(selection, names, domain, number):
            cell = _across(selection, rows, mine, Cell(trained, tested, kind, (), NONE))
            if isinstance(cell, Cell):
                cells.append(cell)
            else:
                empty[trained, tested] = cell
    if not any(cell.kind == ACROSS for cell in cells):
        raise UsageError(
            f"--by {by}: no head can be trained on one of {', '.join(names)} and tested on "
            f"another: {next(reason for (a, b), reason in empty.items() if a != b)}"
        )
    return Matrix(names, domain, tuple(cells), empty)


def _sources(
    selection: Selection, names: tuple[str, ...], domain: npt.NDArray[np.intp], tested: int
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """What a test of one corpus may be trained on: name, kind, mask (utterance,)."""
    for number, name in enumerate(names):
        if number != tested:
            yield name, ACROSS, domain == number
    others = (domain != tested) & (domain >= 0)
    if len(names) > 2:
        yield OTHERS, OTHERS, others
    column = selection.utterances.get("language")
    if column is None:
        return
    language = as_text(column).to_numpy(str)
    own = set(language[domain == tested])
    foreign = others & ~np.isin(language, [*own]) & (language != "")
    if "" not in own and foreign.any() and not np.array_equal(foreign, others):
        yield OTHER_LANGUAGES, OTHER_LANGUAGES, foreign


def _within(selection: Selection, name: str, rows: Rows, folds: int | str, seed: int) -> Cell:
    """Speaker-independent folds of one corpus, with all of its classes."""
    present = np.unique(selection.y[rows])
    if len(present) < FEWEST:
        raise UsageError(f"{name} has one class, {selection.classes[present[0]]}")
    made = split(selection.part(rows).with_own_classes(), folds, seed)
    parts = tuple((rows[train], rows[test]) for train, test in made.parts)
    return Cell(name, name, WITHIN, parts, present, folds=made.kind)


def _across(
    selection: Selection,
    source: npt.NDArray[np.bool_],
    target: npt.NDArray[np.bool_],
    cell: Cell,
) -> Cell | str:
    """The cell with its rows, or the reason why it is empty."""
    y, speakers = selection.y, selection.speakers
    sha256 = selection.utterances["sha256"].to_numpy(str)
    known = (selection.utterances["speaker"] != "").to_numpy(bool)
    same = np.isin(sha256, sha256[target]) | (known & np.isin(speakers, speakers[target & known]))
    train = source & ~same
    classes = np.intersect1d(y[train], y[target])
    if len(classes) < FEWEST:
        shared = ", ".join(selection.classes[number] for number in classes) or "none"
        return f"they share {len(classes)} classes ({shared}); expected two or more"
    of_both = np.isin(y, classes)
    parts = ((np.flatnonzero(train & of_both), np.flatnonzero(target & of_both)),)
    left_out = int((train & ~of_both).sum()), int((target & ~of_both).sum())
    return replace(
        cell, parts=parts, classes=classes, left_out=left_out, excluded=int((source & same).sum())
    )
