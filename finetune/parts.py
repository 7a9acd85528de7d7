"""The utterances that an encoder is fitted to, stopped by, and tested on."""

import logging
from dataclasses import dataclass

import numpy as np

from classify.dataset import Selection
from classify.evaluation.folds import Folds, Rows
from classify.heads.neural.early_stopping import held_out
from data.cache.recipe import EVERYTHING

log = logging.getLogger("wav2emo")

SHARE = 0.2  # of a training part, which stops the training


@dataclass(frozen=True)
class Parts:
    """Rows of a selection: those of one encoder."""

    name: str  # of its folder: fold-0, …, all
    fitted: Rows
    stopped: Rows  # empty: all epochs are trained
    tested: Rows  # empty: all


def of_folds(selection: Selection, folds: Folds, patience: int, seed: int) -> list[Parts]:
    """The parts of each fold. The speakers that stop a training are part of its training part."""
    return [
        Parts(f"fold-{number}", *_divided(selection, train, folds.by_speaker, patience, seed), test)
        for number, (train, test) in enumerate(folds.parts)
    ]


def of_all(selection: Selection, by_speaker: bool, patience: int, seed: int) -> Parts:
    """The parts of an encoder that is trained on everything, and tested on nothing."""
    train = np.arange(len(selection.y))
    fitted, stopped = _divided(selection, train, by_speaker, patience, seed)
    return Parts(EVERYTHING, fitted, stopped, np.empty(0, np.intp))


def _divided(
    selection: Selection, train: Rows, by_speaker: bool, patience: int, seed: int
) -> tuple[Rows, Rows]:
    """The rows to fit, and those to stop by: `SHARE` of the utterances, of whole speakers if they
    are known. Nothing stops the training if each of them is needed for a class."""
    if not patience:
        return train, train[:0]
    y = selection.strata[train]
    stop = held_out(y, selection.speakers[train] if by_speaker else train, seed, SHARE)
    present, classes = len(np.unique(y[stop])), len(np.unique(y))
    if not present:
        log.warning(
            "a training part has too few %s to stop early by some of them: all epochs are trained",
            "speakers" if by_speaker else "utterances",
        )
    elif present < classes:
        log.warning(
            "the speakers that stop a training have %d of %d classes: the score is the mean recall "
            "of these",
            present, classes,
        )  # fmt: skip
    return train[~stop], train[stop]
