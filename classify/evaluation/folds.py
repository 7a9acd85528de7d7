"""Speaker-independent folds by scikit-learn's splitters.

To add a scheme, write a function and add it to `SCHEMES`.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Selection, grouping
from classify.evaluation.folds_audit import FoldsAudit
from classify.stats.metrics import confusions, uar
from data.errors import UsageError

log = logging.getLogger("wav2emo")

CROSSED = "speaker+sentence"
SESSIONS = "iemocap-session"
MANY_SPEAKERS = 30  # with more, "auto" no longer leaves out one at a time
DEFAULT_FOLDS = 10
INNER = 3  # folds of a training part, to choose settings by
FEW_FOLDS = 5  # of unknown speakers, where a class is too small for the default
UNKNOWN_SPEAKERS = (
    "the speakers are unknown, so the same voice may be in training and test: these scores say "
    "nothing about new speakers, and are usually much too good"
)

Rows = npt.NDArray[np.intp]
Parts = Sequence[tuple[Rows, Rows]]  # training and test rows of each fold


@dataclass(frozen=True)
class Folds:
    """Training and test rows of each fold."""

    kind: str  # as text: "leave one speaker out"
    parts: list[tuple[Rows, Rows]]  # training and test rows of each fold
    by_speaker: bool  # whether the speakers are the units of intervals and tests
    names: tuple[str, ...] = ()  # of given folds
    audit: FoldsAudit | None = None  # of given or repaired folds

    def __len__(self) -> int:
        return len(self.parts)

    def name(self, number: int) -> str:
        """Name of a fold, or its number."""
        return self.names[number] if self.names else str(number)

    @property
    def used(self) -> Rows:
        """Rows of all parts, sorted."""
        return np.unique(np.concatenate([rows for part in self.parts for rows in part]))

    @cached_property
    def tested(self) -> Rows:
        """Rows of the test parts, sorted."""
        return np.sort(np.concatenate([test for _, test in self.parts]))

    def within(self, rows: Rows) -> "Folds":
        """The folds of some rows alone (sorted), which are numbered anew."""

        def numbered(part: Rows) -> Rows:
            return np.searchsorted(rows, part[np.isin(part, rows)])

        return replace(
            self, parts=[(numbered(train), numbered(test)) for train, test in self.parts]
        )

    @cached_property
    def train(self) -> npt.NDArray[np.bool_]:
        """(fold, utterance) whether it is in the training part."""
        return masks([train for train, _ in self.parts], len(self.fold))

    @cached_property
    def test(self) -> npt.NDArray[np.bool_]:
        """(fold, utterance) whether it is in the test part."""
        return masks([test for _, test in self.parts], len(self.fold))

    @cached_property
    def fold(self) -> npt.NDArray[np.intp]:
        """(utterance,) number of the fold whose test part it is in; -1: it is in none."""
        size = 1 + max(rows.max(initial=-1) for part in self.parts for rows in part)
        fold = np.full(size, -1, np.intp)
        for number, (_, test) in enumerate(self.parts):
            fold[test] = number
        return fold


def units(selection: Selection, folds: Folds) -> tuple[npt.NDArray, npt.NDArray[np.intp]]:
    """The units of intervals and tests: speakers, or utterances where the speakers are unknown.

    Returns:
        Their names (unit,), sorted, and the number of each utterance's unit.
    """
    of = selection.speakers.astype(str) if folds.by_speaker else np.arange(len(selection.y))
    return np.unique(of, return_inverse=True)


def split(dataset: Selection, folds: int | str, seed: int) -> Folds:
    """Split `dataset` into folds by ``--folds``: a name in `SCHEMES`, or a number.

    With known speakers, every fold is speaker-independent. With unknown speakers, folds are
    stratified by class; a warning states that their scores are too high. Numbers are not
    stratified.

    Raises:
        UsageError: there are too few speakers or utterances, or a training part lacks a class.
    """
    if dataset.tuned_fold is not None:
        made = _of_tuning(dataset, dataset.tuned_fold, folds)
    elif isinstance(folds, int):
        made = _numbered(dataset, folds, seed)
    elif folds in ("speaker", CROSSED) and not dataset.speakers_known:
        raise UsageError(f"--folds {folds}: the speakers are unknown in the cache")
    else:
        made = SCHEMES[folds](dataset, seed)
    _require_learnable(made, dataset)
    return made


def _of_tuning(dataset: Selection, fold: npt.NDArray[np.intp], folds: int | str) -> Folds:
    """The folds whose encoders were fine-tuned without their test part."""
    if folds != "auto":
        raise UsageError(
            f"--folds {folds}: this cache has an encoder for each fold of its fine-tuning, and "
            "only those folds test what it has not heard; leave --folds out"
        )
    parts = parted(fold)
    if not all(len(train) and len(test) for train, test in parts):
        raise UsageError("a fold of the fine-tuning has no utterance of this selection")
    return Folds("folds of the fine-tuning", parts, by_speaker=dataset.speakers_known)


def _require_learnable(folds: Folds, dataset: Selection) -> None:
    missing = untrained(folds.parts, dataset.strata)
    if missing is None:
        return
    alone = f"in one test part of the {folds.kind} alone"
    if folds.by_speaker:
        speakers = np.unique(dataset.speakers[dataset.strata == missing])
        alone = f"spoken by {', '.join(speakers)} alone"
    raise UsageError(
        f"class {dataset.classes[missing]} is {alone}, so it cannot be learned when left out for "
        "testing: leave the class out, or merge it, with --labels"
    )


def untrained(parts: Parts, y: npt.NDArray[np.intp]) -> int | None:
    """The first class that a training part lacks; None: there is none."""
    missing = (np.setdiff1d(y, y[train]).tolist() for train, _ in parts)
    return next((number for numbers in missing for number in numbers), None)


def _numbered(dataset: Selection, number: int, seed: int) -> Folds:
    if not dataset.speakers_known:
        return _stratified(dataset, number, seed)
    count = _require_speakers(dataset)
    if number > count:
        raise UsageError(f"--folds {number}: there are {count} speakers only")
    parts = grouped(dataset.strata, dataset.speakers, number, seed)
    return Folds("grouped by speaker", parts, by_speaker=True)


def by_speaker(dataset: Selection, seed: int) -> Folds:
    """Leave one speaker out."""
    _require_speakers(dataset)
    return Folds("leave one speaker out", leave_one_out(dataset.speakers), by_speaker=True)


def automatic(dataset: Selection, seed: int) -> Folds:
    """Leave one speaker out; with more than 30 speakers, 10 folds; with unknown speakers,
    stratified folds."""
    if not dataset.speakers_known:
        return _stratified(dataset, None, seed)
    if _require_speakers(dataset) <= MANY_SPEAKERS:
        return by_speaker(dataset, seed)
    return _numbered(dataset, DEFAULT_FOLDS, seed)


def by_speaker_and_sentence(dataset: Selection, seed: int) -> Folds:
    """`automatic`, split by sentence too; see `crossed`."""
    folds = automatic(dataset, seed)
    _require_learnable(folds, dataset)
    return crossed(folds, dataset, seed)


def by_iemocap_session(dataset: Selection, seed: int) -> Folds:
    """Leave one session of IEMOCAP out, as SUPERB and SpeechBrain do."""
    if other := {*dataset.corpora} - {"iemocap"}:
        raise UsageError(
            f"--folds {SESSIONS}: it is for IEMOCAP, and there are utterances of "
            f"{', '.join(sorted(other))}; leave them out with --corpus iemocap"
        )
    sessions = [str(name).rpartition("/")[2][:5] for name in dataset.speakers]  # of Ses01F
    parts = leave_one_out(np.array(sessions))
    if len(parts) < 2:
        raise UsageError(f"--folds {SESSIONS}: all utterances are of session {sessions[0]}")
    return Folds("leave one session out", parts, by_speaker=True)


SCHEMES: dict[str, Callable[[Selection, int], Folds]] = {  # --folds → folds of a selection and seed
    "auto": automatic,
    "speaker": by_speaker,
    CROSSED: by_speaker_and_sentence,
    SESSIONS: by_iemocap_session,
}


def _require_speakers(dataset: Selection) -> int:
    """Number of speakers; an error if they are unknown."""
    count = len(np.unique(dataset.speakers))
    if count < 2:
        raise UsageError(
            f"all {len(dataset.y)} utterances are of one speaker, {dataset.speakers[0]}: "
            "speaker-independent folds need two or more"
        )
    return count


def crossed(folds: Folds, dataset: Selection, seed: int) -> Folds:
    """Split every fold by sentence too, and keep the tested sentences out of its training part.

    Each utterance is tested once, by a head that was trained on neither its speaker nor its
    sentence. More than 10 sentences are divided into 10 groups.

    Raises:
        UsageError: sentences are unknown, or a class occurs in only one sentence.
    """
    sentences = grouping(dataset.utterances, "sentence", f"--folds {CROSSED}", "--folds speaker")
    names, sentence = np.unique(sentences, return_inverse=True)
    groups = min(len(names), DEFAULT_FOLDS)
    group = np.random.default_rng(seed).permutation(np.arange(len(names)) % groups)[sentence]
    parts = [
        (train[group[train] != number], test[group[test] == number])
        for train, test in folds.parts
        for number in np.unique(group[test])
    ]
    if (missing := untrained(parts, dataset.strata)) is not None:
        what = f"class {dataset.classes[missing]}" if dataset.classes else "the target"
        raise UsageError(
            f"--folds {CROSSED}: {what} cannot be learned where a speaker and a sentence are left "
            "out; ask for --folds speaker"
        )
    by = "one sentence" if len(names) == groups else f"one of {groups} groups of sentences"
    return Folds(f"{folds.kind}, and {by}", parts, folds.by_speaker)


def with_everything(folds: Folds, utterances: int) -> Folds:
    """`folds` and one more that is trained on all utterances. If it is the only one, it is tested
    on them too."""
    rows = np.arange(utterances)
    return replace(folds, parts=[*folds.parts, (rows, rows[: 0 if folds.parts else None])])


def inner_folds(
    y: npt.NDArray[np.intp], groups: npt.NDArray, by: str, seed: int
) -> tuple[list[tuple[Rows, Rows]], str]:
    """Folds of a training part for choosing settings, and their description.

    They are folds of groups, such as speakers, or of utterances if there are too few groups.
    """
    number = min(INNER, len(set(groups)))
    if by and number > 1:
        parts = grouped(y, groups, number, seed)
        if min(len(set(y[train])) for train, _ in parts) > 1:
            return parts, f"{number} folds of {by}s"
    number = max(2, min(INNER, np.bincount(y).max()))
    if np.bincount(y).max() < number:  # no class has two utterances
        return parted(np.arange(len(y)) % number), f"{number} folds of utterances"
    return stratified(y, number, seed), f"{number} folds of utterances"


def nested_folds(
    folds: Folds, y: npt.NDArray[np.intp], groups: npt.NDArray, by: str, seed: int
) -> tuple[list[Parts], str]:
    """The `inner_folds` of each training part, as rows of all utterances, and their description."""
    found: list[Parts] = []
    kinds = set()
    for rows, _ in folds.parts:
        parts, kind = inner_folds(y[rows], groups[rows], by, seed)
        found.append([(rows[train], rows[test]) for train, test in parts])
        kinds.add(kind)
    return found, " or ".join(sorted(kinds))


def inner_uar(
    inner: Sequence[Parts], y: npt.NDArray[np.intp], answers: npt.NDArray[np.intp], classes: int
) -> npt.NDArray[np.float64]:
    """(fold, setting) UAR over the inner folds of each fold.

    Args:
        inner: see `nested_folds`.
        y: (utterance,) number of the class.
        answers: (setting, tested utterance) predicted classes; the test parts one after the other.
        classes: how many there are.
    """
    tested = [np.concatenate([test for _, test in parts]) for parts in inner]
    fold = np.repeat(np.arange(len(inner)), [len(rows) for rows in tested])
    return uar(confusions(y[np.concatenate(tested)], answers, fold, classes))


def masks(parts: Sequence[Rows], utterances: int) -> npt.NDArray[np.bool_]:
    """(part, utterance) whether it is in the part."""
    found = np.zeros((len(parts), utterances), bool)
    for row, rows in zip(found, parts, strict=True):
        row[rows] = True
    return found


def leave_one_out(groups: npt.NDArray) -> list[tuple[Rows, Rows]]:
    """Folds of `sklearn.model_selection.LeaveOneGroupOut`, without importing scikit-learn."""
    return parted(np.unique(groups, return_inverse=True)[1])


def grouped(
    y: npt.NDArray[np.intp], groups: npt.NDArray, number: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Divide into `number` folds of whole groups, stratified by class as far as possible."""
    from sklearn.model_selection import StratifiedGroupKFold

    return _split(StratifiedGroupKFold(number, shuffle=True, random_state=seed), y, groups)


def stratified(y: npt.NDArray[np.intp], number: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Divide into `number` shuffled folds, stratified by class."""
    from sklearn.model_selection import StratifiedKFold

    return _split(StratifiedKFold(number, shuffle=True, random_state=seed), y)


def _split(
    splitter: Any, y: npt.NDArray[np.intp], groups: npt.NDArray | None = None
) -> list[tuple[Rows, Rows]]:
    with warnings.catch_warnings():  # on rare classes: callers are stricter
        warnings.simplefilter("ignore", UserWarning)
        return list(splitter.split(y, y, groups))


def parted(fold: npt.NDArray[np.intp]) -> list[tuple[Rows, Rows]]:
    """Training and test rows of folds, given the fold number of each utterance."""
    return [
        (np.flatnonzero(fold != number), np.flatnonzero(fold == number))
        for number in range(fold.max() + 1)
    ]


def _stratified(dataset: Selection, number: int | None, seed: int) -> Folds:
    """Folds of utterances, for unknown speakers."""
    sizes = np.bincount(dataset.strata)
    fallback = DEFAULT_FOLDS if sizes.min() >= DEFAULT_FOLDS else FEW_FOLDS
    number = number or fallback
    if sizes.min() < number and not dataset.classes:
        raise UsageError(
            f"{len(dataset.y)} utterances are fewer than the {number} folds: ask for fewer --folds"
        )
    if sizes.min() < number:
        raise UsageError(
            f"class {dataset.classes[sizes.argmin()]} has {sizes.min()} utterances, fewer than the "
            f"{number} folds: leave it out, or merge it, with --labels, or ask for fewer --folds"
        )
    log.warning(UNKNOWN_SPEAKERS)
    parts = stratified(dataset.strata, number, seed)
    how = "stratified" if dataset.classes else "shuffled"
    return Folds(f"{how} ({len(parts)}), speakers unknown", parts, by_speaker=False)
