"""What answers about held-out speakers are worth: scores with intervals, overall and in parts.

Intervals are of 95 %, by drawing whole speakers (`classify.probe.confidence`). Of a single speaker
there are none. Where the speakers are unknown, utterances are drawn, which makes them too narrow.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, as_text
from classify.folds import Folds
from classify.metrics import Counts, accuracy, confusions, per_class, recall, uar
from classify.probe.confidence import SCORES, bootstrap, interval

DRAWS = 2000  # of the bootstrap
GROUPS = ("sex", "corpus")  # columns that scores are told apart by

Json = dict[str, Any]
Rows = npt.NDArray[np.intp]


def scores(selection: Selection, folds: Folds, said: npt.NDArray[np.floating], seed: int) -> Json:
    """The scores of held-out probabilities (utterance, class), as ``model.json`` holds them.

    Args:
        selection: the utterances.
        folds: by which they were held out.
        said: probabilities.
        seed: of the bootstrap.
    """
    everything = np.arange(len(selection.y))
    names, counts = _by_speaker(selection, said.argmax(1), everything)
    return {
        "split": folds.kind,
        "folds": len(folds),
        "intervals": {"over": _units(selection), "draws": DRAWS},
        "chance": 1 / len(selection.classes),
        "overall": _summary(counts, seed),
        "classes": _classes(counts, selection.classes, seed),
        "confusion": counts.sum(0).tolist(),
        "speakers": _speakers(names, counts) if selection.speakers_known else {},
        "groups": {
            column: {
                value: _summary(_by_speaker(selection, said.argmax(1), rows)[1], seed)
                for value, rows in _groups(selection, column).items()
            }
            for column in GROUPS
            if _groups(selection, column)
        },
    }


def _units(selection: Selection) -> str:
    return "speakers" if selection.speakers_known else "utterances"


def _by_speaker(
    selection: Selection, prediction: npt.NDArray[np.intp], rows: Rows
) -> tuple[npt.NDArray[np.str_], Counts]:
    """Names of what is drawn, and its counts (speaker, truth, prediction) of some utterances."""
    known = selection.speakers_known
    units = selection.speakers if known else selection.utterances["id"].to_numpy(object)
    names, unit = np.unique(units[rows].astype(str), return_inverse=True)
    y, classes = selection.y[rows], len(selection.classes)
    return names, confusions(y, prediction[None, rows], unit, classes)[:, 0]


def _summary(counts: Counts, seed: int) -> Json:
    """Scores and intervals of counts (speaker, truth, prediction)."""
    total = counts.sum(0)
    return {
        "utterances": int(total.sum()),
        "units": len(counts),
        **{name: float(score(total)) for name, score in SCORES.items()},
        "ci95": _intervals(bootstrap(counts, DRAWS, seed)) if len(counts) > 1 else None,
    }


def _classes(counts: Counts, classes: tuple[str, ...], seed: int) -> Json:
    """Scores of each class, with an interval of its recall."""
    found = per_class(counts.sum(0), classes)
    drawn = bootstrap(counts, DRAWS, seed, {"recall": recall})["recall"]  # (draw, class)
    bounds = interval(drawn).T.tolist()
    return {
        name: {**row, "ci95": pair if len(counts) > 1 else None}
        for (name, row), pair in zip(found.items(), bounds, strict=True)
    }


def _speakers(names: npt.NDArray[np.str_], counts: Counts) -> Json:
    columns = (uar(counts), accuracy(counts), counts.sum((1, 2)))
    return {
        str(name): {"uar": float(u), "accuracy": float(a), "utterances": int(n)}
        for name, u, a, n in zip(names, *columns, strict=True)
    }


def _intervals(drawn: dict[str, npt.NDArray[np.float64]]) -> Json:
    return {name: interval(values).tolist() for name, values in drawn.items()}


def _groups(selection: Selection, column: str) -> dict[str, Rows]:
    """Value → rows, of a column with two values or more; "" is not among them."""
    if column not in selection.utterances:
        return {}
    values = as_text(selection.utterances[column]).to_numpy(str)
    groups = {str(v): np.flatnonzero(values == v) for v in np.unique(values) if v}
    return groups if len(groups) > 1 else {}
