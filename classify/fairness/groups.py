"""Groups of the utterances by a column: its values, or ranges of a number such as the age."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from classify.dataset import Selection, as_text, is_quantity
from classify.fairness.options import CUTS
from data.errors import UsageError


def grouping(
    selection: Selection, column: str, cuts: Mapping[str, Sequence[float]] = CUTS
) -> pd.Series:
    """Group utterances by a column.

    Args:
        selection: the utterances.
        column: its name.
        cuts: column of numbers → numbers at which a range of them begins; see `CUTS`.

    Returns:
        (utterance,) categories of pandas, with the name of the column. NaN: its group is unknown.

    Raises:
        UsageError: there is no such column, its known values are all alike, or they are quantities
            without `cuts`.
    """
    table = selection.utterances
    if column not in table:
        raise UsageError(f"--by {column}: the cache has the columns {', '.join(table)}")
    values = table[column]
    if column in cuts and pd.api.types.is_numeric_dtype(values):
        found = _ranges(values, sorted(cuts[column]))
    elif is_quantity(values):
        raise UsageError(
            f"--by {column}: it holds {values.nunique()} different numbers; name where groups "
            f"begin, such as --cut {column}={_number(values.median())}"
        )
    else:
        texts = as_text(values)
        found = texts.where(texts != "").astype("category")
    names = found.cat.categories
    if len(names) < 2:
        known = f"is {names[0]} for all" if len(names) else "is unknown for all"
        raise UsageError(
            f"--by {column}: it {known} of the {len(values)} utterances; expected two groups or "
            "more"
        )
    return found


def _ranges(values: pd.Series, cuts: Sequence[float]) -> pd.Series:
    """Ranges of numbers that have utterances, in ascending order."""
    whole = not (np.concatenate([values.dropna(), cuts]) % 1).any()
    names = [_range(cuts, number, whole) for number in range(len(cuts) + 1)]
    found = pd.cut(values, [-np.inf, *cuts, np.inf], right=False, labels=names)
    return found.cat.remove_unused_categories()


def _range(cuts: Sequence[float], number: int, whole: bool) -> str:
    """Name of a range.

    >>> _range([18, 30], 0, True), _range([18, 30], 1, True), _range([0.5, 1], 1, False)
    ('under 18', '18–29', '0.5 to under 1')
    """
    if number == 0:
        return f"under {_number(cuts[0])}"
    if number == len(cuts):
        return f"{_number(cuts[-1])} and over"
    low, high = cuts[number - 1 : number + 1]
    if whole:
        return f"{_number(low)}–{_number(high - 1)}"
    return f"{_number(low)} to under {_number(high)}"


def _number(value: float) -> str:
    return f"{value:g}"
