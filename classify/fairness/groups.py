"""Groups of the utterances by a column: its values, or ranges of a number such as the age."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.dataset import Selection, as_text, is_quantity
from classify.fairness.options import CUTS
from data.errors import UsageError

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Grouping:
    """The groups of a column, and the group of each utterance."""

    column: str
    names: tuple[str, ...]
    group: Rows  # (utterance,) number of its group; -1: unknown

    @property
    def unknown(self) -> int:
        """Number of utterances without a value."""
        return int((self.group < 0).sum())


def grouping(
    selection: Selection, column: str, cuts: Mapping[str, Sequence[float]] = CUTS
) -> Grouping:
    """Group utterances by a column.

    Args:
        selection: the utterances.
        column: its name.
        cuts: column of numbers → numbers at which a range of them begins; see `CUTS`.

    Raises:
        UsageError: there is no such column, its known values are all alike, or they are quantities
            without `cuts`.
    """
    table = selection.utterances
    if column not in table:
        raise UsageError(f"--by {column}: the cache has the columns {', '.join(table)}")
    values = table[column]
    if column in cuts and pd.api.types.is_numeric_dtype(values):
        found = _ranges(column, values.to_numpy(np.float64), sorted(cuts[column]))
    elif is_quantity(values):
        raise UsageError(
            f"--by {column}: it holds {values.nunique()} different numbers; name where groups "
            f"begin, such as --cut {column}={_number(values.median())}"
        )
    else:
        names, number = np.unique(as_text(values).to_numpy(str), return_inverse=True)
        unknown = int(len(names) > 0 and names[0] == "")
        found = Grouping(column, tuple(names[unknown:].tolist()), number - unknown)
    if len(found.names) < 2:
        known = f"is {found.names[0]} for all" if found.names else "is unknown for all"
        raise UsageError(
            f"--by {column}: it {known} of the {len(values)} utterances; expected two groups or "
            "more"
        )
    return found


def _ranges(column: str, values: npt.NDArray[np.float64], cuts: Sequence[float]) -> Grouping:
    """Ranges of numbers that have utterances, in ascending order."""
    known = np.isfinite(values)
    place = np.digitize(values, cuts)
    present = np.unique(place[known])
    whole = not (np.concatenate([values[known], cuts]) % 1).any()
    names = tuple(_range(cuts, int(number), whole) for number in present)
    return Grouping(column, names, np.where(known, np.searchsorted(present, place), -1))


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
