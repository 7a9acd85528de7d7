"""Scores of held-out predictions, with intervals: overall, by class, speaker and corpus, and of
corpora that are left out.

Intervals are of 95 %, over speakers (`classify.stats.intervals`); below four speakers there are
none. If the speakers are unknown, intervals are over utterances and too narrow.
"""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection
from classify.evaluation.folds import Folds, Rows
from classify.stats import intervals
from classify.stats.metrics import Counts, confusions
from classify.stats.scores import Json, Scores


def of_held_out(
    selection: Selection, folds: Folds, probabilities: npt.NDArray[np.floating]
) -> Json:
    """The scores of held-out probabilities (utterance, class), as ``model.json`` holds them.

    Args:
        selection: the utterances.
        folds: by which they were held out.
        probabilities: (utterance, class).
    """
    prediction, classes = probabilities.argmax(1), selection.classes
    names, counts = _by_speaker(selection, prediction, np.arange(len(selection.y)))
    each = zip(names, (Scores.without_intervals(own, classes) for own in counts), strict=True)
    speakers = {
        str(name): {**own.values, "utterances": own.utterances}
        for name, own in each
        if selection.speakers_known
    }
    corpus = selection.utterances["corpus"].to_numpy(str)
    corpora = {
        name: _of_rows(selection, prediction, np.flatnonzero(corpus == name))
        for name in np.unique(corpus).tolist()
    }
    return {
        "split": folds.kind,
        "folds": len(folds),
        **leaks(folds),
        "intervals": {"over": "speakers" if selection.speakers_known else "utterances"},
        "chance": 1 / len(classes),
        "overall": _summary(counts, classes),
        "classes": _classes(counts, classes),
        "confusion": counts.sum(0).tolist(),
        "speakers": speakers,
        "groups": {"corpus": corpora} if len(corpora) > 1 else {},
    }


def of_corpora_left_out(
    selection: Selection, predict: Callable[[Selection, Folds], npt.NDArray[np.float64]]
) -> Json | None:
    """Scores of each corpus by heads that were trained on all others, over the classes that both
    have; None if there is one corpus.

    Args:
        selection: the utterances, with classes.
        predict: the whole procedure: held-out probabilities (utterance, class) of a selection under
            some folds.
    """
    corpus = selection.utterances["corpus"].to_numpy(str)
    names = np.unique(corpus).tolist()
    if len(names) < 2:
        return None
    found: Json = dict.fromkeys(names)  # None: fewer than two classes are shared
    for name in names:
        mine = corpus == name
        classes = np.intersect1d(selection.y[mine], selection.y[~mine])
        if len(classes) < 2:
            continue
        rows = np.flatnonzero(np.isin(selection.y, classes))
        part = selection.part(rows).with_own_classes()
        test, train = (np.flatnonzero(mask[rows]) for mask in (mine, ~mine))
        folds = Folds("leave one corpus out", [(train, test)], by_speaker=True)
        found[name] = {
            "classes": list(part.classes),
            **_of_rows(part, predict(part, folds).argmax(1), test),
        }
    return found


def _of_rows(selection: Selection, prediction: npt.NDArray[np.intp], rows: Rows) -> Json:
    """The scores of some rows alone."""
    return _summary(_by_speaker(selection, prediction, rows)[1], selection.classes)


def leaks(folds: Folds) -> Json:
    """The overlap of training and test parts, as a field of the scores; empty if there is none."""
    return {"leaks": folds.audit.leaks} if folds.audit and folds.audit.leaks else {}


def _by_speaker(
    selection: Selection, prediction: npt.NDArray[np.intp], rows: Rows
) -> tuple[npt.NDArray[np.str_], Counts]:
    """Names of the speakers, and their counts (speaker, truth, prediction) of some utterances."""
    known = selection.speakers_known
    units = selection.speakers if known else selection.utterances["id"].to_numpy(object)
    names, unit = np.unique(units[rows].astype(str), return_inverse=True)
    y, classes = selection.y[rows], len(selection.classes)
    return names, confusions(y, prediction[None, rows], unit, classes)[:, 0]


def _summary(counts: Counts, classes: tuple[str, ...]) -> Json:
    """Scores and intervals of counts (speaker, truth, prediction)."""
    scores = Scores.of(counts, classes)
    return {
        "utterances": scores.utterances,
        "units": len(counts),
        **scores.values,
        "ci95": scores.intervals if scores.interval else None,
    }


def _classes(counts: Counts, classes: tuple[str, ...]) -> Json:
    """Scores of each class, with an interval of its recall over the speakers that have it."""
    alone = counts[:, None] * np.eye(len(classes), dtype=int)[:, :, None]  # one class of the truth
    bounds = intervals.as_json(intervals.of_score(alone))  # whose UAR is its recall
    per_class = Scores.without_intervals(counts.sum(0), classes).per_class
    return {
        name: {**asdict(row), "ci95": pair}
        for (name, row), pair in zip(per_class.items(), bounds, strict=True)
    }
