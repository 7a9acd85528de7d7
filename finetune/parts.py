"""Which utterances an encoder is fitted to, stopped by, and tested on."""

import logging
from dataclasses import dataclass

import numpy as np

from classify.dataset import Selection
from classify.evaluation.folds import Folds, Rows, grouped, stratified
from data.cache.recipe import EVERYTHING

log = logging.getLogger("wav2emo")

INNER = 5  # one of so many groups of a training part's speakers stops the training


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
    """The rows to fit, and those to stop by.

    Among the divisions whose fitted part has all classes, one is chosen whose other part lacks the
    fewest. If there is none, nothing stops the training.
    """
    nothing = train, np.empty(0, np.intp)
    if not patience:
        return nothing
    y = selection.strata[train]
    if by_speaker:
        speakers = selection.speakers[train]
        number = min(INNER, len(np.unique(speakers)))
        found = grouped(y, speakers, number, seed) if number > 1 else []
    else:
        enough = np.bincount(y).max() >= INNER
        found = stratified(y, INNER, seed) if enough else []
    classes = len(np.unique(y))
    possible = [
        (len(np.unique(y[stop])), -place, fit, stop)
        for place, (fit, stop) in enumerate(found)
        if len(stop) and len(np.unique(y[fit])) == classes
    ]
    if not possible:
        units = "speakers" if by_speaker else "utterances"
        log.warning(
            "a training part has too few %s to stop early by some of them: all epochs are trained",
            units,
        )
        return nothing
    present, _, fit, stop = max(possible, key=lambda one: one[:2])
    if present < classes:
        log.warning(
            "the speakers that stop a training have %d of %d classes: the score is the mean recall "
            "of these",
            present, classes,
        )  # fmt: skip
    return train[fit], train[stop]
