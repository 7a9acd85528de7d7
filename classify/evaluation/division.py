"""Divide a selection into folds, as the options ask for."""

from dataclasses import replace
from typing import TypeVar

from classify.dataset import Selection
from classify.evaluation.folds import SCHEMES, Folds, split
from classify.evaluation.given_folds import given_folds
from classify.evaluation.leaks import audit, repaired
from classify.heard import require_unheard
from classify.options import Options
from data.errors import UsageError, Wav2emoError

S = TypeVar("S", bound=Selection)


def divide(selection: S, options: Options) -> tuple[S, Folds]:
    """Folds by ``--folds``, ``--repair`` and ``--strict``, and the utterances that they use.

    Folds of a file or of a column are used as they are, with an audit of what their training and
    test parts share. Utterances that are in none of their parts are left out, and classes of these
    alone, too.

    Raises:
        UsageError: folds cannot be made, or those that are given are not complete, or the encoder
            was trained on what they test.
        Wav2emoError: ``--strict``, and something of a test part is in training, too.
    """
    left_out: dict[str, int] = {}
    given = is_given(options.folds) and selection.tuned_fold is None
    if given:
        folds, left_out = given_folds(str(options.folds), selection)
    else:
        folds = split(selection, options.folds, options.seed)
    if given or options.repair or options.strict:
        kept = repaired(folds, selection, options.repair)
        found = audit(kept, selection, folds, options.repair, left_out)
        if options.strict and found.leaks:
            raise Wav2emoError(
                f"--strict: {found.leaks}; --repair speaker, recording or sentence drops them from "
                "training"
            )
        folds = replace(kept, audit=found)
    require_unheard(selection.utterances.iloc[folds.tested], options.allow_heard)
    used = folds.used
    if len(used) < len(selection.y):
        selection, folds = selection.part(used).with_own_classes(), folds.within(used)
        if len(selection.classes) == 1:
            raise UsageError(
                f"the folds have utterances of {selection.classes[0]} alone; expected two classes "
                "or more"
            )
    return selection, folds


def is_given(folds: int | str) -> bool:
    """Whether ``--folds`` names a file or a column."""
    return isinstance(folds, str) and folds not in SCHEMES
