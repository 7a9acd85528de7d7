"""The result of a transfer study, and ``transfer.json``.

``transfer.json`` contains no times or paths, so the same command gives the same bytes::

    by, domains {name: utterances}, classes, labels, vocabulary, unknown, options
                                  unknown: utterances without a value in the column `by`
    runs[k]                       the first: what the others are compared with
        encoder, control (bool), engine, precision, fingerprint, head, features, shift
        cells[n] CELL
        mean {within, across, "all others", "other languages"}     of the UAR over such cells
        compared {difference, p}  of the mean across; null of the first
    empty[n] {trained, tested, reason}
    layers {encoder: {layers, within, across, cells [{trained, tested, uar [of each layer], best}]}}
                                  of the first head; within is null if there is no such cell; best:
                                  the layer of the highest UAR on the test
    similarity[n] {first, second, classes, cka, exchanged}

    CELL  trained, tested, kind, classes, chance, utterances, trained_on (of each fold), left_out
          {trained, tested}, excluded, folds, uar, accuracy, f1_macro, ci95 [low, high] of the UAR,
          …, per_class, confusion (rows: truth), compared {difference, p} with the first run
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import Selection, as_text
from classify.evaluation.folds import Rows
from classify.stats.metrics import Counts, confusions
from classify.stats.scores import Json, Scores
from classify.stats.tests import permutation_test, uar_shares
from classify.transfer.cells import ACROSS, OTHER_LANGUAGES, OTHERS, WITHIN, Cell, Matrix
from classify.transfer.options import TransferOptions
from data.cache.recipe import Recipe, encoder_json
from data.emotions import VERSION

KINDS = (WITHIN, ACROSS, OTHERS, OTHER_LANGUAGES)


@dataclass(frozen=True)
class Tested:
    """The predictions of one cell."""

    cell: Cell
    predicted: Rows  # (tested utterance,) numbers of the classes, in the order of `Cell.rows`
    counts: Counts  # (unit, truth, prediction) of the classes of the cell; units: speakers
    scores: Scores
    units: npt.NDArray[np.str_]  # (unit,) names of the speakers; unknown: ids of the utterances

    @classmethod
    def of(cls, cell: Cell, selection: Selection, probabilities: npt.NDArray) -> "Tested":
        """Score probabilities (tested utterance, class of the cell)."""
        best = probabilities.argmax(1)
        table = selection.utterances.iloc[cell.rows]
        known = (table["speaker"] != "").all()
        names = selection.speakers[cell.rows] if known else table["id"].to_numpy(object)
        units, unit = np.unique(names.astype(str), return_inverse=True)
        truth = cell.truth(selection.y)
        counts = confusions(truth, best[None], unit, len(cell.classes))[:, 0]
        classes = [selection.classes[number] for number in cell.classes]
        return cls(cell, cell.classes[best], counts, Scores.of(counts, classes), units)

    @property
    def chance(self) -> float:
        """UAR of guessing."""
        return 1 / len(self.cell.classes)


@dataclass(frozen=True)
class Run:
    """One encoder, head, and way to treat the shift."""

    recipe: Recipe
    fingerprint: str
    head: str
    features: str
    shift: str  # "": nothing
    tested: tuple[Tested, ...]  # of each cell

    def mean(self, kind: str) -> float | None:
        """Mean UAR of the cells of a kind; None: there are none."""
        values = [one.scores.uar for one in self.tested if one.cell.kind == kind]
        return float(np.mean(values)) if values else None


@dataclass(frozen=True)
class Compared:
    """A difference from the first run, with p of a test over the speakers."""

    difference: float
    p: float


@dataclass(frozen=True)
class LayerCurve:
    """UAR of each layer of one encoder in each cell, by the first head."""

    layers: tuple[int, ...]
    uar: npt.NDArray[np.float64]  # (layer, cell)

    def mean(self, cells: tuple[Cell, ...], kind: str) -> npt.NDArray[np.float64] | None:
        """(layer,) mean over the cells of a kind; None: there are none."""
        chosen = [cell.kind == kind for cell in cells]
        return self.uar[:, chosen].mean(1) if any(chosen) else None


@dataclass(frozen=True)
class Alignment:
    """Similarity of the class means of two corpora."""

    first: str
    second: str
    classes: int
    cka: float
    exchanged: float  # mean with the classes exchanged


@dataclass(frozen=True)
class Transfer:
    """All runs on one matrix."""

    options: TransferOptions
    selection: Selection
    matrix: Matrix
    runs: tuple[Run, ...]
    curves: Mapping[str, LayerCurve]  # encoder →
    alignments: tuple[Alignment, ...]

    @property
    def first(self) -> Run:
        """The run that the others are compared with."""
        return self.runs[0]

    @property
    def sizes(self) -> dict[str, int]:
        """Corpus → its utterances."""
        counts = np.bincount(self.matrix.domain[self.matrix.domain >= 0])
        return dict(zip(self.matrix.domains, counts.tolist(), strict=True))

    @property
    def unknown(self) -> int:
        """Number of utterances that are in no corpus, or have no value of another column."""
        return int((as_text(self.selection.utterances[self.options.by]) == "").sum())

    def compared(self, run: Run, place: int | None = None) -> Compared | None:
        """The mean UAR across less that of the first run, or the UAR of the cell at a place; None
        for the first itself.

        Every speaker adds a share to the UAR of each cell that tests it; the test exchanges the
        runs speaker by speaker.
        """
        if run is self.first:
            return None
        across = [n for n, cell in enumerate(self.matrix.cells) if cell.kind == ACROSS]
        places = across if place is None else [place]
        shares = pd.concat([
            pd.Series(uar_shares(own.counts) - uar_shares(first.counts), own.units)
            for own, first in ((run.tested[n], self.first.tested[n]) for n in places)
        ])  # fmt: skip
        of_speakers = (shares.groupby(level=0, sort=False).sum() / len(places)).to_numpy()
        p = permutation_test(of_speakers, seed=self.options.seed)
        return Compared(float(of_speakers.sum()), float(p))

    @cached_property
    def metrics(self) -> Json:
        """The content of ``transfer.json``."""
        return {
            "by": self.options.by,
            "domains": self.sizes,
            "classes": list(self.selection.classes),
            "labels": self.options.labels,
            "vocabulary": VERSION,
            "unknown": self.unknown,
            "options": self.options.as_json(),
            "runs": [self._run(run) for run in self.runs],
            "empty": [
                {"trained": trained, "tested": tested, "reason": reason}
                for (trained, tested), reason in self.matrix.empty.items()
            ],
            "layers": {name: self._curve(curve) for name, curve in self.curves.items()},
            "similarity": [vars(one) for one in self.alignments],
        }

    def _run(self, run: Run) -> Json:
        compared = self.compared(run)
        return {
            **encoder_json(run.recipe),
            "fingerprint": run.fingerprint,
            "head": run.head,
            "features": run.features,
            "shift": run.shift,
            "mean": {kind: run.mean(kind) for kind in KINDS},
            "compared": vars(compared) if compared else None,
            "cells": [self._cell(run, place) for place in range(len(run.tested))],
        }

    def _cell(self, run: Run, place: int) -> Json:
        one = run.tested[place]
        cell, compared = one.cell, self.compared(run, place)
        return {
            "trained": cell.trained,
            "tested": cell.tested,
            "kind": cell.kind,
            "classes": list(one.scores.classes),
            "chance": one.chance,
            "utterances": len(one.predicted),
            "trained_on": [len(train) for train, _ in cell.parts],
            "left_out": dict(zip(("trained", "tested"), cell.left_out, strict=True)),
            "excluded": cell.excluded,
            "folds": cell.folds,
            **one.scores.as_json(),
            "compared": vars(compared) if compared else None,
        }

    def _curve(self, curve: LayerCurve) -> Json:
        cells = self.matrix.cells
        return {
            "layers": list(curve.layers),
            **{kind: None if (mean := curve.mean(cells, kind)) is None else mean.tolist()
               for kind in (WITHIN, ACROSS)},
            "cells": [
                {"trained": cell.trained, "tested": cell.tested, "uar": scores.tolist(),
                 "best": curve.layers[int(scores.argmax())]}
                for cell, scores in zip(cells, curve.uar.T, strict=True)
            ],
        }  # fmt: skip

    def predictions(self) -> Iterator[list[str]]:
        """Rows of ``predictions.csv``, the header first."""
        names, utterances = np.array(self.selection.classes), self.selection.utterances
        yield ["encoder", "head", "shift", "trained", "tested", "id", "speaker", "truth",
               "prediction"]  # fmt: skip
        for run, one in [(each, one) for each in self.runs for one in each.tested]:
            about = run.recipe["model"], run.head, run.shift, one.cell.trained, one.cell.tested
            rows = utterances.iloc[one.cell.rows]
            truth, predicted = names[self.selection.y[one.cell.rows]], names[one.predicted]
            for values in zip(rows["id"], rows["speaker"], truth, predicted, strict=True):
                yield [*map(str, (*about, *values))]


def table(run: Run, matrix: Matrix) -> tuple[list[str], list[list[Tested | None]]]:
    """The matrix of a run: names of the rows, and the cells; columns are the tested corpora."""
    cells = {(one.cell.trained, one.cell.tested): one for one in run.tested}
    trained = {one.cell.trained for one in run.tested}
    rows = [*matrix.domains, *(name for name in (OTHERS, OTHER_LANGUAGES) if name in trained)]
    return rows, [[cells.get((row, name)) for name in matrix.domains] for row in rows]
