"""Rules of the values in a JSON document, and the first fault of a document."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

ROUNDING = 1e-9

Schema = Any  # a `Rule`, or a dict of them by name
OTHER = ""  # in such a dict: of any name that is not in it, such as a metric's


class Malformed(ValueError):
    """A field has the wrong type or value."""


@dataclass(frozen=True)
class Rule:
    """A condition on a value."""

    expected: str  # as text
    holds: Callable[[Any], bool]
    may_lack: bool = False  # whether cards of earlier versions do not have the field


def number(low: float, high: float, whole: bool = False) -> Rule:
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


def optional(schema: Schema) -> Rule:
    return Rule("null or as described", lambda value: value is None or not fault_of(value, schema))


def either(one: Schema, other: Schema) -> Rule:
    return Rule(
        "one of two kinds", lambda value: not (fault_of(value, one) and fault_of(value, other))
    )


def each(schema: Schema) -> Rule:
    """An object whose values follow a schema."""
    return Rule(
        "names, each with its value",
        lambda value: (
            isinstance(value, dict) and not any(fault_of(one, schema) for one in value.values())
        ),
    )


def list_of(schema: Schema, *lengths: int) -> Rule:
    return Rule(
        "a list" + (f" of {' or '.join(map(str, lengths))}" if lengths else ""),
        lambda value: (
            isinstance(value, list)
            and (not lengths or len(value) in lengths)
            and not any(fault_of(one, schema) for one in value)
        ),
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
SHA256 = Rule(
    "a SHA-256 in hexadecimal",
    lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None,
)
COUNT = number(1, math.inf, whole=True)
SUM = number(0, math.inf, whole=True)
SHARE = number(0, 1 + ROUNDING)
CORRELATION = number(-1 - ROUNDING, 1 + ROUNDING)
POSITIVE = number(0, math.inf)
ANY = number(-math.inf, math.inf)
SCALAR = Rule(
    "a number, text, true, false or null",
    lambda value: value is None or isinstance(value, (bool, int, float, str)),
)


def verify(value: Any, schema: Schema) -> None:
    """Verify a value against a schema.

    Raises:
        Malformed: a value is invalid; the message names the field.
    """
    if fault := fault_of(value, schema):
        raise Malformed(fault)


def fault_of(value: Any, schema: Schema, place: str = "") -> str | None:
    """Describe the first fault of a value; None: there is none."""
    if isinstance(schema, Rule):
        shown = json.dumps(value)[:40]
        return None if schema.holds(value) else f"{place or 'it'} is {shown}, not {schema.expected}"
    if not isinstance(value, dict):
        return f"{place or 'it'} is not an object"
    for name in (schema.keys() - {OTHER}) | value.keys():
        where = f"{place}.{name}" if place else name
        if name not in value and getattr(schema[name], "may_lack", False):
            continue
        if name not in value:
            return f"{where} is missing"
        if name not in schema and OTHER not in schema:
            return f"{where:.60} is not known"
        if fault := fault_of(value[name], schema.get(name, schema.get(OTHER)), where):
            return fault
    return None
