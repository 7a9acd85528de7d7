"""The options of a fairness study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from classify.options import Options
from data.errors import UsageError
from data.options import option

KNOWN = (  # columns of groups of people
    "sex", "gender", "age", "age_group", "language", "accent", "dialect", "ethnicity", "race",
    "nationality", "first_language",
)  # fmt: skip
CUTS: Mapping[str, tuple[float, ...]] = {"age": (18, 30, 45, 60)}  # column → where a range begins


def parse_cut(text: str) -> tuple[str, tuple[float, ...]]:
    """Column and ascending numbers of ``COLUMN=NUMBER,…``.

    Raises:
        UsageError: the text is something else.

    >>> parse_cut("age=18,30")
    ('age', (18.0, 30.0))
    """
    column, _, numbers = text.partition("=")
    try:
        cuts = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        cuts = ()
    if not column or not cuts or not all(first < second for first, second in pairwise(cuts)):
        raise UsageError(f"--cut {text!r}: expected COLUMN=NUMBER,… in ascending order")
    return column, cuts


@dataclass(frozen=True)
class FairnessOptions:
    """The options, verified when they are made."""

    shared: Options = field(default_factory=Options)
    by: tuple[str, ...] = option(
        (),
        "columns of the cache whose values are groups, joined by commas (default: those of sex, "
        "age, language, accent, dialect, ethnicity and the like that have two values)",
        metavar="COLUMNS",
    )
    cuts: Mapping[str, tuple[float, ...]] = option(
        dict,
        "begin a group of a column of numbers at each of these; repeat it for other columns "
        "(default: age=18,30,45,60)",
        flag="--cut",
        type=parse_cut,
        action="append",
        metavar="COLUMN=N,…",
    )

    def __post_init__(self) -> None:
        if target := [name for name in self.by if name in self.shared.targets]:
            raise UsageError(
                f"--by {target[0]}: it is what is predicted (--target); name another column"
            )
        if unused := [name for name in self.cuts if name not in (self.by or KNOWN)]:
            raise UsageError(f"--cut {unused[0]}: it is for columns of --by; add {unused[0]} there")

    @property
    def all_cuts(self) -> dict[str, tuple[float, ...]]:
        """Those given, and the defaults of other columns."""
        return {**CUTS, **self.cuts}

    def as_json(self) -> dict[str, Any]:
        """The options that decide the numbers, without the path of the cache."""
        cuts = {name: list(values) for name, values in self.cuts.items()}
        return {"by": list(self.by), "cuts": cuts, **self.shared.as_json()}
