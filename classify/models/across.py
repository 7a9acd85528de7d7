"""Scores on corpora that a head was not trained on: each is left out in turn."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection
from classify.evaluation.folds import Folds
from classify.models.scores import of_rows
from classify.stats.scores import Json

Predict = Callable[[Selection, Folds], npt.NDArray[np.float64]]

FEWEST = 2  # classes


def corpora_left_out(selection: Selection, predict: Predict) -> Json | None:
    """Scores of each corpus by heads that were trained on all others, over the classes that both
    have; None if there is one corpus.

    Args:
        selection: the utterances, with classes.
        predict: the whole procedure: held-out probabilities (utterance, class) of a selection under
            some folds.
    """
    corpus = selection.utterances["corpus"].to_numpy(str)
    names = np.unique(corpus)
    if len(names) < 2:
        return None
    found: Json = {}
    for name in names.tolist():
        mine = corpus == name
        classes = np.intersect1d(selection.y[mine], selection.y[~mine])
        if len(classes) < FEWEST:
            found[name] = None
            continue
        rows = np.flatnonzero(np.isin(selection.y, classes))
        part = selection.part(rows).with_own_classes()
        test, train = (np.flatnonzero(mask[rows]) for mask in (mine, ~mine))
        folds = Folds("leave one corpus out", [(train, test)], by_speaker=True)
        summary = of_rows(part, predict(part, folds), test)
        found[name] = {"classes": list(part.classes), **summary}
    return found
