"""The schema of ``model.json``: type and range of the fields, and their consistency.

A schema is written like the document: an object as a dict of schemas by name, a list as a list of
one schema. A name that ends in ``?`` may be missing, and `str` stands for any name. ``(None,
schema)`` may be null. A `Rule` is a condition on one value.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from classify.heads import HEADS, find
from classify.heads.storage import storable
from classify.models.calibration import LEAST, MOST
from classify.models.ranges import MEASURED
from classify.training_options import TrainingOptions
from data.cache import recipe as recipes
from data.options import names_in

FORMAT = "wav2emo model"
VERSION = 2
LONGEST = 80  # characters of a name or value that are repeated

Card = Mapping[str, Any]
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
COUNT, SUM = number(1, whole=True), number(0, whole=True)
SHARE, POSITIVE, ANY = number(0, 1), number(0), number()
SPAN = Rule(
    "two numbers",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(ANY.holds, value)),
)
SCALAR = Rule(
    "a number, text, true, false or null",
    lambda value: value is None or isinstance(value, (bool, int, float, str)),
)
REPORT = (None, OBJECT)  # results of training; no prediction reads them
SCHEMA: Schema = {
    "format": one_of(FORMAT),
    "version": one_of(VERSION),
    "head": Rule(
        f"one of {', '.join(HEADS)}, or a class of scikit-learn as module:Class",
        lambda value: isinstance(value, str) and (value in HEADS or storable(value)),
    ),
    "parameters": {str: SCALAR},
    "seed": number(0, 2**32 - 1, whole=True),
    "scaler": one_of("standard", "none"),
    "target": TEXT,
    "labels": (None, TEXT),
    "classes": ascending(str),
    "features": {
        "layer": Rule(
            "a layer's number, mean or mix",
            lambda value: value in ("mean", "mix") or (type(value) is int and value >= 0),
        ),
        "layers": ascending(int),
        "poolings": [TEXT],
        "sequences": FLAG,
    },
    "dim": COUNT,
    "recipe": OBJECT,
    "fingerprint": SHA256,
    "encoder_location": (None, TEXT),
    "corpora": {str: COUNT},
    "speakers": {str: {"count": SUM, "ids": ascending(str)}},
    "support": {str: COUNT},
    "choice": REPORT,
    "scores": REPORT,
    "across?": REPORT,
    "robustness?": REPORT,
    "fairness?": REPORT,
    "temperature": number(LEAST, MOST),
    "calibration": REPORT,
    "ranges?": (None, {**dict.fromkeys(MEASURED, SPAN), "languages": ascending(str)}),
    "domain?": (None, {"threshold": POSITIVE, "false_alarms": SHARE, "sha256": SHA256}),
    "head_sha256": SHA256,
    "sha256": SHA256,
}


def parse(content: bytes) -> dict[str, Any]:
    """The fields of ``model.json``, verified.

    Raises:
        Malformed: the text is not JSON, or a field is invalid.
    """
    try:
        card = json.loads(content, parse_constant=_refuse, parse_float=_finite)
        recipes.canonical(card).encode()  # what is nested too deep, or no Unicode, fails here
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise Malformed("not the card of a model")
    if card.get("version") != VERSION:
        raise Malformed(f"version {card.get('version')!r:.20}, this program reads {VERSION}")
    if fault := fault_of(card, SCHEMA) or next(_inconsistencies(card), None):
        raise Malformed(fault)
    return card


def seal(card: Card) -> str:
    """SHA-256 of a card without this checksum. It detects accidents, not manipulation."""
    return recipes.fingerprint({name: value for name, value in card.items() if name != "sha256"})


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
    if isinstance(schema, tuple):
        return None if value is None else fault_of(value, schema[1], place)
    if not isinstance(value, type(schema)):
        return f"{where} is not {'a list' if isinstance(schema, list) else 'an object'}"
    if isinstance(schema, list):
        return next(filter(None, (fault_of(one, schema[0], place) for one in value)), None)
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


def _inconsistencies(card: Card) -> Iterator[str]:
    """Describe contradictions between fields."""
    if seal(card) != card["sha256"]:
        yield "altered since it was trained"
    if recipes.fingerprint(card["recipe"]) != card["fingerprint"]:
        yield "fingerprint is not that of the recipe"
    names = card["classes"] or list(names_in(card["target"]))
    if len(card["classes"]) == 1 or not names:
        yield "fewer than two classes, and no target"
    if set(card["support"]) != set(names):
        yield "support is not of the classes, or targets"
    if card["corpora"].keys() != card["speakers"].keys():
        yield "corpora and speakers are not of the same corpora"
    for corpus, speakers in card["speakers"].items():
        if len(speakers["ids"]) != speakers["count"]:
            yield f"speakers of {corpus}: not as many ids as count says"
    for setting in fields(TrainingOptions):
        value = card["parameters"].get(setting.name)
        least, most = setting.metadata["limits"]
        rule = number(least, most, setting.type == int | None)
        if value is not None and (fault := fault_of(value, rule, f"parameters.{setting.name}")):
            yield fault
    yield from _features(card)
    if not card["classes"] and card["temperature"] != 1:
        yield "numbers have no temperature"


def _features(card: Card) -> Iterator[str]:
    """Faults of the features: those that the recipe does not have or the head cannot read."""
    features, recipe, head = card["features"], card["recipe"], find(card["head"])
    if not isinstance(recipe.get("model"), str):
        yield "recipe.model is not text"
    poolings = features["poolings"]
    stored = [recipe.get("sequence_layers")] if features["sequences"] else []
    stored += [recipe.get("layers")] if poolings else []
    if not features["layers"] or not all(_subset(features["layers"], some) for some in stored):
        yield "features.layers are not among those of the recipe"
    if type(features["layer"]) is int and features["layers"] != [features["layer"]]:
        yield "features.layers is not features.layer alone"
    if features["layer"] == "mix" and not head.neural:
        yield f"{card['head']} cannot mix layers"
    if features["sequences"] and not head.sequences:
        yield f"{card['head']} cannot read sequences"
    if not (features["sequences"] or poolings) or len(set(poolings)) < len(poolings):
        yield "features.poolings are none, or twice the same"
    if not _subset(poolings, recipe.get("pooling")):
        yield "features.poolings are not among those of the recipe"


def _subset(some: Any, of: Any) -> bool:
    return isinstance(of, list) and all(one in of for one in some)


def _refuse(name: str) -> None:
    raise ValueError(f"it holds {name}")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text:.20} is too large a number")
    return value
