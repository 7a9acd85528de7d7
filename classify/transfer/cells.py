"""The cells of a matrix: what is trained on, what is tested, and the classes that both have."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import Dataset, Selection, as_text
from classify.evaluation.folds import Parts, Rows, split
from classify.stats.metrics import confusion, uar
from classify.transfer.options import TransferOptions
from data.errors import UsageError

WITHIN, ACROSS = "within", "across"
OTHERS, OTHER_LANGUAGES = "all others", "other languages"  # kinds, and rows of the matrix
FEWEST = 2  # classes

Mask = npt.NDArray[np.bool_]  # (utterance,)


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
    classes: Rows
    left_out: tuple[int, int] = (0, 0)
    excluded: int = 0
    folds: str = ""

    @property
    def rows(self) -> Rows:
        """The tested rows, fold by fold."""
        return np.concatenate([test for _, test in self.parts])

    def truth(self, y: Rows) -> Rows:
        """(tested utterance,) its class as a place in `classes`, of class numbers (utterance,)."""
        return np.searchsorted(self.classes, y[self.rows])

    def uar(self, y: Rows, output: npt.NDArray) -> float:
        """UAR of probabilities (tested utterance, class of the cell)."""
        return float(uar(confusion(self.truth(y), output.argmax(1), len(self.classes))))

    def alone(self, data: Dataset) -> tuple[Dataset, Parts]:
        """The utterances of the cell with its classes alone, and its parts as rows of these."""
        used = np.unique(np.concatenate([rows for part in self.parts for rows in part]))
        place = np.zeros(len(data.y), np.intp)
        place[used] = np.arange(len(used))
        parts = [(place[train], place[test]) for train, test in self.parts]
        return data.part(used).with_own_classes(), parts


@dataclass(frozen=True)
class Matrix:
    """All cells, and the reasons for those that are empty."""

    domains: tuple[str, ...]  # corpora, or values of another column, sorted
    domain: Rows  # (utterance,) number of its domain
    cells: tuple[Cell, ...]
    empty: dict[tuple[str, str], str]  # trained, tested → reason


def matrix(selection: Selection, options: TransferOptions) -> Matrix:
    """The cells of a selection, which has classes.

    Raises:
        UsageError: there are fewer than two corpora, or no two of them share two classes.
    """
    names, domain = _domains(selection, options)
    cells: list[Cell] = []
    empty: dict[tuple[str, str], str] = {}
    for number, tested in enumerate(names):
        mine = domain == number
        for trained, kind, source in _sources(selection, names, domain, number):
            try:
                if kind == WITHIN:
                    cells.append(_within(selection, tested, np.flatnonzero(mine), options))
                else:
                    cells.append(_across(selection, source, mine, (trained, tested, kind)))
            except UsageError as error:
                empty[trained, tested] = str(error)
    if not any(cell.kind == ACROSS for cell in cells):
        raise UsageError(
            f"--by {options.by}: no head can be trained on one of {', '.join(names)} and tested on "
            f"another: {next(reason for (a, b), reason in empty.items() if a != b)}"
        )
    return Matrix(names, domain, tuple(cells), empty)


def _domains(selection: Selection, options: TransferOptions) -> tuple[tuple[str, ...], Rows]:
    """Names of what is trained and tested on, and the number of each utterance's; -1: unknown, or
    not among those that are asked for.

    Raises:
        UsageError: there are fewer than two, or no utterance has one of those.
    """
    table, by, only = selection.utterances, options.by, options.only
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
    return tuple(names), pd.Index(names).get_indexer(values)


def _sources(
    selection: Selection, names: tuple[str, ...], domain: Rows, tested: int
) -> Iterator[tuple[str, str, Mask]]:
    """The training sets for a tested corpus: name, kind, mask (utterance,)."""
    yield names[tested], WITHIN, domain == tested
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


def _within(selection: Selection, name: str, rows: Rows, options: TransferOptions) -> Cell:
    """Speaker-independent folds of one corpus, with all of its classes."""
    present = np.unique(selection.y[rows])
    if len(present) < FEWEST:
        raise UsageError(f"{name} has one class, {selection.classes[present[0]]}")
    made = split(selection.part(rows).with_own_classes(), options.folds, options.seed)
    parts = tuple((rows[train], rows[test]) for train, test in made.parts)
    return Cell(name, name, WITHIN, parts, present, folds=made.kind)


def _across(selection: Selection, source: Mask, target: Mask, names: tuple[str, str, str]) -> Cell:
    """One training and one test, of the classes that both have; `names`: trained, tested, kind."""
    y, speakers = selection.y, selection.speakers
    sha256 = selection.utterances["sha256"].to_numpy(str)
    known = (selection.utterances["speaker"] != "").to_numpy(bool)
    same = np.isin(sha256, sha256[target]) | (known & np.isin(speakers, speakers[target & known]))
    train = source & ~same
    classes = np.intersect1d(y[train], y[target])
    if len(classes) < FEWEST:
        shared = ", ".join(selection.classes[number] for number in classes) or "none"
        raise UsageError(f"they share {len(classes)} classes ({shared}); expected two or more")
    of_both = np.isin(y, classes)
    parts = ((np.flatnonzero(train & of_both), np.flatnonzero(target & of_both)),)
    left_out = int((train & ~of_both).sum()), int((target & ~of_both).sum())
    return Cell(*names, parts, classes, left_out, int((source & same).sum()))
