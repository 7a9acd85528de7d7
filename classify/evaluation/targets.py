"""What is regressed: numeric columns of the cache, and the utterances that have them all."""

import logging

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import (
    Dataset,
    Selection,
    has_numbers,
    of_corpora,
    sound,
    warn_left_out,
    with_features,
    without_speaker,
)
from classify.heads import regressor_path
from classify.options import Options
from data.cache import Cache
from data.errors import UsageError

log = logging.getLogger("wav2emo")

Values = npt.NDArray[np.float64]


def is_regression(options: Options) -> bool:
    """Whether ``--target`` is regressed, which the cache's columns decide.

    Several columns joined by commas always are, and so is one with a comma after it. One column is
    if it is numeric and has more than 10 different values; what was decided is logged.

    Raises:
        CacheError: there is no such cache, or it is damaged.
    """
    with Cache(options.cache) as cache:
        table = cache.utterances
    regression = has_numbers(table, options)
    column = table.get(options.target)
    if column is not None and pd.api.types.is_numeric_dtype(column):
        count = of_corpora(table, options)[options.target].nunique()
        as_what = "regressed" if regression else "taken as classes"
        other = "" if regression else f"; --target {options.target}, (with a comma) regresses it"
        log.info("%s holds %d different numbers: %s%s", options.target, count, as_what, other)
    return regression


def load(options: Options, folds: bool = True) -> tuple[Dataset, Values]:
    """Read what `options` choose: a dataset without classes, and numbers (utterance, target).

    Args:
        options: the cache, its corpora, the targets, the features.
        folds: as of `classify.dataset.load`.

    Raises:
        CacheError: there is no such cache, or it is damaged.
        UsageError: the head cannot regress, the cache does not hold what is asked for, a target is
            not numeric, or too few utterances have numbers.
    """
    regressor_path(options.head)  # before anything is read
    with sound(options.cache) as cache:
        dataset = with_features(select(cache.utterances, options, folds), options, cache)
    return dataset, dataset.utterances[list(options.targets)].to_numpy(np.float64)


def select(utterances: pd.DataFrame, options: Options, folds: bool = True) -> Selection:
    """The utterances that `options` choose and that have a finite number of every target."""
    table = of_corpora(utterances, options)
    _require_numeric(table, options)
    why = without_speaker(table, folds)
    for name in reversed(options.targets):  # the first that lacks is told
        why[~np.isfinite(table[name])] = f"without {name}"
    warn_left_out(why)
    chosen = table[why == ""]
    if len(chosen) < 2:
        raise UsageError(
            f"{options.cache}: {len(chosen)} utterances have a number of {options.target}; "
            "expected two or more"
        )
    return Selection(
        utterances=chosen.reset_index(drop=True),
        rows=chosen.index.to_numpy(),
        y=np.zeros(len(chosen), np.intp),
        classes=(),
    )


def _require_numeric(table: pd.DataFrame, options: Options) -> None:
    numeric = [name for name in table if pd.api.types.is_numeric_dtype(table[name])]
    known = ", ".join(name for name in numeric if table[name].notna().any())
    for name in options.targets:
        if name not in table:
            raise UsageError(
                f"--target {options.target}: {options.cache} has no column {name}; its numeric "
                f"columns are {known}"
            )
        if name not in numeric:
            example = next(filter(None, table[name]), "")
            raise UsageError(
                f"--target {options.target}: {name} is text ({example!r}) and cannot be regressed; "
                f"the numeric columns of {options.cache} are {known}"
            )
