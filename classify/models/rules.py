"""Rules of the values in a JSON document, and the first fault of a document.

A schema is written like the document: an object as a dict of schemas by name, a list as a list of
one schema, or of one for each place. A name that ends in ``?`` may be missing, and `str` stands for
any name. A tuple holds alternatives, of which None is null. A `Rule` is a condition on one value.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

LONGEST = 80  # characters of a name or value that are repeated

Schema = Any


class Malformed(ValueError):
    """A field has the wrong type or value."""


@dataclass(frozen=True)
class Rule:
    """A condition on a value."""

    expected: str  # as text
    holds: Callable[[Any], bool]


def number(low: float = -math.inf, high: float = math.inf, whole: bool = False) -> Rule:
    """A finite number in a range; JSON's true is none."""
    kinds = (int,) if whole else (int, float)
    what = "a whole number" if whole else "a number"
    within = f" from {low:g}" + (f" to {high:g}" if high < math.inf else "")
    return Rule(
        what + (within if low > -math.inf else ""),
        lambda value: type(value) in kinds and low <= value <= high and abs(value) < math.inf,
    )


def one_of(*values: Any) -> Rule:
    expected = ", ".join(map(str, values))
    return Rule(
        f"one of {expected}",
        lambda value: any(type(value) is type(one) and value == one for one in values),
    )


def ascending(kind: type) -> Rule:
    """A list in which each is greater than the one before."""
    least = kind()  # 0, which a layer may be, or "", which no name may be
    return Rule(
        "ascending numbers from 0" if kind is int else "ascending names",
        lambda value: (
            isinstance(value, list)
            and all(type(one) is kind for one in value)
            and all(one > least or one == least == 0 for one in value)
            and all(first < second for first, second in pairwise(value))
        ),
    )


TEXT = Rule("text", lambda value: isinstance(value, str))
OBJECT = Rule("an object", lambda value: isinstance(value, dict))
FLAG = one_of(True, False)
SHA256 = Rule(
    "a SHA-256 in hexadecimal",
    lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None,
)
COUNT = number(1, whole=True)
SUM = number(0, whole=True)
SHARE = number(0, 1)
POSITIVE = number(0)
ANY = number()
SCALAR = Rule(
    "a number, text, true, false or null",
    lambda value: value is None or isinstance(value, (bool, int, float, str)),
)


def fault_of(value: Any, schema: Schema, place: str = "") -> str | None:
    """Describe the first fault of a value; None: there is none.

    Args:
        value: a document, or a part of one.
        schema: what it has to be.
        place: the name of the part, with dots between the names of objects.
    """
    where = ascii(place)[1:-1][:LONGEST] or "it"
    if isinstance(schema, Rule):
        shown = json.dumps(value)[:LONGEST]
        return None if schema.holds(value) else f"{where} is {shown}, not {schema.expected}"
    if schema is None:
        return None if value is None else f"{where} is not null"
    if isinstance(schema, tuple):
        faults = [fault_of(value, one, place) for one in schema]
        return None if None in faults else faults[-1]
    if not isinstance(value, type(schema)):
        return f"{where} is not {'a list' if isinstance(schema, list) else 'an object'}"
    if isinstance(schema, dict):
        return _fault_of_object(value, schema, place, where)
    if len(schema) > 1 and len(value) != len(schema):
        return f"{where} is not a list of {len(schema)}"
    each = schema if len(schema) > 1 else schema * len(value)
    faults = [fault_of(one, rule, place) for one, rule in zip(value, each, strict=True)]
    return next(filter(None, faults), None)


def _fault_of_object(value: dict, schema: dict, place: str, where: str) -> str | None:
    rules = {name.removesuffix("?"): rule for name, rule in schema.items() if name is not str}
    for name in schema.keys() - {str}:
        if name not in value and not name.endswith("?"):
            return f"{where}.{name} is missing".removeprefix("it.")
    for name, one in value.items():
        inside = f"{place}.{name}" if place else name
        if name not in rules and str not in schema:
            return f"{ascii(inside)[1:-1]:.{LONGEST}} is not known"
        if fault := fault_of(one, rules.get(name, schema.get(str)), inside):
            return fault
    return None
