"""Targets of a probe: their classes and suitable folds.

==================================  ============================================================
target                              what is never on both sides of a fold
==================================  ============================================================
emotion, intensity, sentence, …     a speaker, as ``--folds`` says
sex, corpus: one class a speaker    a speaker; each fold has speakers of every class
speaker                             a sentence: is a speaker recognised by new sentences?
==================================  ============================================================

With ``--folds speaker+sentence`` a sentence, too, is on one side alone, unless it is the target.
"""

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import Selection, is_quantity, of_corpora, select, texts
from classify.evaluation.division import divide
from classify.evaluation.folds import (
    CROSSED,
    DEFAULT_FOLDS,
    MANY_SPEAKERS,
    Folds,
    crossed,
    grouped,
    leave_one_out,
    parted,
    stratified,
    untrained,
)
from classify.heard import require_unheard
from classify.probing.options import CONFOUNDS, ProbeOptions
from data.errors import UsageError

log = logging.getLogger("wav2emo")


@dataclass(frozen=True)
class Task:
    """A target with its utterances and folds."""

    target: str
    selection: Selection
    folds: Folds
    groups: npt.NDArray[np.object_]  # (utterance,) what folds keep together
    grouped_by: str  # "speaker" or "sentence"; "" where neither is known

    @classmethod
    def of(cls, target: str, selection: Selection, folds: Folds) -> "Task":
        """Speakers are kept together, or where they are unknown every utterance is alone."""
        if selection.speakers_known:
            return cls(target, selection, folds, selection.speakers, "speaker")
        return cls(target, selection, folds, np.arange(len(selection.y)).astype(object), "")

    @property
    def y(self) -> npt.NDArray[np.intp]:
        """(utterance,) number of the class."""
        return self.selection.y

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names, sorted."""
        return self.selection.classes

    @cached_property
    def tested_speakers(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.intp]]:
        """Names (speaker,), sorted, and the number of each tested utterance's speaker."""
        speakers = self.selection.speakers[self.folds.tested].astype(str)
        return np.unique(speakers, return_inverse=True)


def tasks(table: pd.DataFrame, options: ProbeOptions) -> tuple[list[Task], dict[str, str]]:
    """The targets that `options` name, and those confounds that cannot be probed, with the reason.

    Args:
        table: the cache's utterances.
        options: targets; none: emotion and, unless quick, the confounds that the utterances have
            two values of.

    Raises:
        UsageError: a target that was named cannot be probed.
    """
    named = options.targets
    if unknown := [name for name in named if name not in table]:
        raise UsageError(
            f"--targets {','.join(unknown)}: {options.cache} has the columns {', '.join(table)}"
        )
    chosen = of_corpora(table, options.selection("emotion"))
    numbers = [name for name in named if name not in CONFOUNDS and is_quantity(chosen[name])]
    if numbers:
        listed = ",".join(numbers)
        raise UsageError(
            f"--targets {listed}: a probe predicts classes, and these are numbers; regress them "
            f"by 'python -m classify --target {listed}'"
        )
    if named:
        return [task(table, name, options) for name in named], {}
    found, skipped = [task(table, "emotion", options)], {}
    for name in () if options.quick else CONFOUNDS:
        values = {*texts(chosen, name)} - {""}
        if len(values) < 2:
            skipped[name] = f"only {min(values)}" if values else "unknown"
            continue
        try:
            found.append(task(table, name, options))
        except UsageError as error:
            skipped[name] = str(error).removeprefix(f"{options.cache}: ")
    return found, skipped


def task(table: pd.DataFrame, target: str, options: ProbeOptions) -> Task:
    """`target` with its folds.

    Raises:
        UsageError: it has one class, or no folds can be made that train on every class.
    """
    selection = select(table, options.selection(target))
    if target == "speaker":
        if selection.tuned_fold is not None:
            raise UsageError(
                f"{options.cache}: the encoder of a fold has not heard the speakers to predict; "
                "probe a cache of one encoder"
            )
        require_unheard(selection.utterances, options.allow_heard)
        return _across_sentences(selection, options)
    tuned = selection.tuned_fold is not None
    chosen = options.selection(target)
    if selection.speakers_known and not tuned and is_constant(selection.y, selection.speakers):
        require_unheard(selection.utterances, options.allow_heard)
        folds = _speakers_of_every_class(selection, options)
        if options.folds == CROSSED:
            folds = crossed(folds, selection, options.seed)
    else:
        if target == "sentence" and options.folds == CROSSED:
            chosen = replace(chosen, folds="auto")
        selection, folds = divide(selection, chosen)
    return Task.of(target, selection, folds)


def is_constant(y: npt.NDArray[np.intp], groups: npt.NDArray) -> bool:
    """Whether no group has two classes."""
    return len(set(zip(groups, y, strict=True))) == len(set(groups))


def _speakers_of_every_class(selection: Selection, options: ProbeOptions) -> Folds:
    """The speakers of each class are distributed over the folds."""
    speakers, first, of = np.unique(selection.speakers, return_index=True, return_inverse=True)
    classes = selection.y[first]
    sizes = np.bincount(classes)
    most = options.folds if isinstance(options.folds, int) else DEFAULT_FOLDS
    number = min(most, sizes.min())
    if number < 2:
        raise UsageError(
            f"{selection.classes[sizes.argmin()]} is {speakers[classes == sizes.argmin()][0]} "
            "alone, so it cannot be learned when left out for testing"
        )
    random = np.random.default_rng(options.seed)
    fold = np.empty(len(speakers), np.intp)
    for name in range(len(sizes)):
        members = random.permutation(np.flatnonzero(classes == name))
        fold[members] = np.arange(len(members)) % number
    return Folds("speakers of every class", parted(fold[of]), by_speaker=True)


def _across_sentences(selection: Selection, options: ProbeOptions) -> Task:
    """The speaker as target, with other sentences in training than in test."""
    sentences = texts(selection.utterances, "sentence")
    if not (sentences != "").any():
        log.warning("the sentences are unknown: a speaker's may be the same in training and test")
        selection = _of_several(selection, selection.utterances["id"].to_numpy(object))
        number = min(DEFAULT_FOLDS, int(np.bincount(selection.y).min()))
        parts = stratified(selection.y, number, options.seed)
        folds = Folds("stratified, sentences unknown", parts, by_speaker=False)
        alone = np.arange(len(selection.y)).astype(object)
        return Task("speaker", selection, folds, alone, "")
    selection = _of_several(selection, sentences)
    sentences = texts(selection.utterances, "sentence")
    if len(set(sentences)) <= MANY_SPEAKERS:
        kind, parts = "leave one sentence out", leave_one_out(sentences)
    else:
        kind = "grouped by sentence"
        parts = grouped(selection.y, sentences, DEFAULT_FOLDS, options.seed)
    if (missing := untrained(parts, selection.y)) is not None:
        raise UsageError(
            f"speaker {selection.classes[missing]} has sentences in one fold alone, so that voice "
            "cannot be learned when they are left out for testing"
        )
    return Task("speaker", selection, Folds(kind, parts, by_speaker=False), sentences, "sentence")


def _of_several(selection: Selection, sentences: npt.NDArray[np.object_]) -> Selection:
    """Use the speakers with several sentences as classes, named with their corpus."""
    pairs = pd.DataFrame({"speaker": selection.speakers, "sentence": sentences})
    counts = pairs[sentences != ""].groupby("speaker")["sentence"].nunique()
    chosen = (pairs["speaker"].map(counts) > 1).to_numpy() & (sentences != "")
    if left := len(chosen) - int(chosen.sum()):
        log.warning("speaker: left out %d utterances without a second sentence", left)
    classes, y = np.unique(selection.speakers[chosen].astype(str), return_inverse=True)
    if len(classes) < 2:
        raise UsageError(
            f"got {len(classes)} speakers with several sentences; expected 2 or more, to predict "
            "the speaker of new sentences"
        )
    some = selection.part(np.flatnonzero(chosen))
    return replace(some, y=y, classes=tuple(map(str, classes)))
