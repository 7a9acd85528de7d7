"""The schema of ``model.json``: type and range of every field, and their consistency."""

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from classify.heads import HEADS, find
from classify.heads.storage import storable
from classify.models.calibration import LEAST, MOST
from classify.models.ranges import MEASURED
from classify.options import split_one
from classify.training_options import SETTINGS
from data.cache import recipe as recipes

FORMAT = "wav2emo model"
VERSION = 2
ROUNDING = 1e-9

Card = Mapping[str, Any]
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


def _number(low: float, high: float, whole: bool = False) -> Rule:
    """A finite number in a range; JSON's true is none."""
    kinds = (int,) if whole else (int, float)
    what = "a whole number" if whole else "a number"
    within = f" from {low:g}" + (f" to {high:g}" if high < math.inf else "")
    return Rule(
        what + (within if low > -math.inf else ""),
        lambda value: type(value) in kinds and low <= value <= high and abs(value) < math.inf,
    )


def _one_of(*values: Any) -> Rule:
    expected = ", ".join(map(str, values))
    return Rule(
        f"one of {expected}",
        lambda value: any(type(value) is type(one) and value == one for one in values),
    )


def _optional(schema: Schema) -> Rule:
    return Rule("null or as described", lambda value: value is None or not _fault(value, schema))


def _either(one: Schema, other: Schema) -> Rule:
    return Rule("one of two kinds", lambda value: not (_fault(value, one) and _fault(value, other)))


def _each(schema: Schema) -> Rule:
    """An object whose values follow a schema."""
    return Rule(
        "names, each with its value",
        lambda value: (
            isinstance(value, dict) and not any(_fault(one, schema) for one in value.values())
        ),
    )


def _list(schema: Schema, *lengths: int) -> Rule:
    return Rule(
        "a list" + (f" of {' or '.join(map(str, lengths))}" if lengths else ""),
        lambda value: (
            isinstance(value, list)
            and (not lengths or len(value) in lengths)
            and not any(_fault(one, schema) for one in value)
        ),
    )


def _ascending(kind: type) -> Rule:
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
COUNT = _number(1, math.inf, whole=True)
SUM = _number(0, math.inf, whole=True)
SHARE = _number(0, 1 + ROUNDING)
CORRELATION = _number(-1 - ROUNDING, 1 + ROUNDING)
POSITIVE = _number(0, math.inf)
ANY = _number(-math.inf, math.inf)
SCALAR = Rule(
    "a number, text, true, false or null",
    lambda value: value is None or isinstance(value, (bool, int, float, str)),
)


SUMMARY = {
    "utterances": COUNT,
    "units": COUNT,
    "uar": SHARE,
    "accuracy": SHARE,
    "f1_macro": SHARE,
    OTHER: ANY,  # further metrics
    "ci95": _optional(_each(_list(ANY, 2))),
}
INTERVALS: Schema = {"over": _one_of("speakers", "utterances")}
ABOUT_FOLDS = {
    "split": TEXT,
    "folds": COUNT,
    "intervals": _either(INTERVALS, INTERVALS | {"draws": COUNT}),  # draws: of an older bootstrap
}
SCORES_OF_CLASSES = ABOUT_FOLDS | {
    "chance": SHARE,
    "overall": SUMMARY,
    "classes": _each(
        {
            "precision": SHARE,
            "recall": SHARE,
            "f1": SHARE,
            "support": SUM,
            "ci95": _optional(_list(SHARE, 2)),
        }
    ),
    "confusion": _list(_list(SUM)),
    "speakers": _each({"uar": SHARE, "accuracy": SHARE, "utterances": COUNT, OTHER: ANY}),
    "groups": _each(_each(SUMMARY)),
}
AGREEMENT = {
    "ccc": _optional(CORRELATION),
    "pearson": _optional(CORRELATION),
    "rmse": _optional(POSITIVE),
    "ci95": _optional(_list(CORRELATION, 2)),
}
SCORES_OF_NUMBERS = ABOUT_FOLDS | {
    "targets": _each(AGREEMENT | {"deviation": POSITIVE}),
    "mean": AGREEMENT,
}
IN_CONDITION = {
    "utterances": COUNT,
    "uar": SHARE,
    "ci95": _optional(_list(SHARE, 2)),
    "change": _optional(CORRELATION),
    "ci95_change": _optional(_list(CORRELATION, 2)),
    "p_holm": _optional(SHARE),
    "unchanged": SHARE,
    "ece": SHARE,
}
FLAG = _one_of(True, False)
AUGMENT = {
    "asked": _list(TEXT),
    "conditions": _list(TEXT),
    "by": TEXT,
    "uar": {"without": SHARE, "with": SHARE},
    "chosen": FLAG,
    "in_folds": _list(FLAG),
}
DIFFERENCE = {
    "difference": _optional(ANY),
    "ci95": _optional(_list(ANY, 2)),
    "p": _optional(SHARE),
    "corrected": _optional(SHARE),
}


def _fairness(measure: str, part: str, *others: str) -> Schema:
    """Groups of people, see `classify.fairness.result`."""
    score = {"ci95": _optional(_list(CORRELATION, 2))}
    size = {"speakers": _optional(COUNT), "utterances": COUNT}
    group = size | score | {
        "scored": COUNT,
        "support": _each(SUM),
        measure: _optional(CORRELATION),
        part: _each(score | {part: _optional(CORRELATION)}),
        **dict.fromkeys(others, _optional(ANY)),
    }  # fmt: skip
    column = {
        "exchanged": TEXT,
        "smallest_p": SHARE,
        "unknown": SUM,
        "classes": _list(TEXT),
        "groups": _each(group),
        "too_small": _each(size | {"reason": TEXT}),
        "differences": _list(DIFFERENCE | {"group": TEXT, "against": TEXT}),
        "gaps": _list(DIFFERENCE | {"of": TEXT, "class": TEXT, "highest": TEXT, "lowest": TEXT}),
    }
    return {"measure": _one_of(measure), "columns": _each(column), "left_out": _each(TEXT)}


SETTINGS_CHOSEN = _each(SCALAR)
SCHEMA: dict[str, Schema] = {
    "format": _one_of(FORMAT),
    "version": _one_of(VERSION),
    "head": Rule(
        f"one of {', '.join(HEADS)}, or a class of scikit-learn as module:Class",
        lambda value: isinstance(value, str) and (value in HEADS or storable(value)),
    ),
    "parameters": _each(SCALAR),
    "seed": _number(0, 2**32 - 1, whole=True),
    "scaler": _one_of("standard", "none"),
    "target": TEXT,
    "labels": _optional(TEXT),
    "classes": _ascending(str),
    "features": {
        "layer": Rule(
            "a layer's number, mean or mix",
            lambda value: value in ("mean", "mix") or (type(value) is int and value >= 0),
        ),
        "layers": _ascending(int),
        "poolings": _list(TEXT),
        "sequences": _one_of(True, False),
    },
    "dim": COUNT,
    "recipe": OBJECT,
    "fingerprint": SHA256,
    "encoder_location": _optional(TEXT),
    "corpora": _each(COUNT),
    "speakers": _each({"count": SUM, "ids": _ascending(str)}),
    "support": _each(COUNT),
    "choice": _optional(
        {
            "by": TEXT,
            "tried": _list({"settings": SETTINGS_CHOSEN, "uar": SHARE}),
            "chosen": SETTINGS_CHOSEN,
            "in_folds": _list(SETTINGS_CHOSEN),
        }
    ),
    "scores": _optional(Rule("scores", lambda value: isinstance(value, dict))),  # see `_scores`
    "across": replace(
        _optional(_each(_optional(SUMMARY | {"classes": _ascending(str)}))), may_lack=True
    ),  # of corpora that were left out
    "robustness": replace(
        _optional({"augment": _optional(AUGMENT), "conditions": _optional(_each(IN_CONDITION))}),
        may_lack=True,
    ),
    "fairness": replace(
        _optional(
            _either(
                _fairness("uar", "recall", "ece", "overconfidence"),
                _fairness("ccc", "target", "rmse", "bias"),
            )
        ),
        may_lack=True,
    ),
    "temperature": _number(LEAST, MOST),
    "calibration": _optional(
        {
            "before": {"nll": POSITIVE, "ece": SHARE},
            "after": {"nll": POSITIVE, "ece": SHARE},
            "bins": COUNT,
        }
    ),
    "ranges": replace(
        _optional(
            {
                **dict.fromkeys(MEASURED, _list(ANY, 2)),
                "languages": _ascending(str),
            }
        ),
        may_lack=True,
    ),  # see `classify.models.ranges`
    "domain": replace(
        _optional({"threshold": POSITIVE, "false_alarms": SHARE, "sha256": SHA256}), may_lack=True
    ),  # see `classify.models.domain`
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
    check(card, SCHEMA)
    for fault in _inconsistencies(card):
        raise Malformed(fault)
    return card


def check(value: Any, schema: Schema) -> None:
    """Verify a value against a schema.

    Raises:
        Malformed: a value is invalid; the message names the field.
    """
    if fault := _fault(value, schema):
        raise Malformed(fault)


def seal(card: Card) -> str:
    """SHA-256 of a card without this checksum. It detects accidents, not manipulation."""
    return recipes.fingerprint({name: value for name, value in card.items() if name != "sha256"})


def _fault(value: Any, schema: Schema, place: str = "") -> str | None:
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
        if fault := _fault(value[name], schema.get(name, schema.get(OTHER)), where):
            return fault
    return None


def _inconsistencies(card: Card) -> Iterator[str]:
    """Describe contradictions between fields."""
    if seal(card) != card["sha256"]:
        yield "altered since it was trained"
    if recipes.fingerprint(card["recipe"]) != card["fingerprint"]:
        yield "fingerprint is not that of the recipe"
    names = card["classes"] or list(split_one(card["target"]))
    if len(card["classes"]) == 1 or not names:
        yield "fewer than two classes, and no target"
    if set(card["support"]) != set(names):
        yield "support is not of the classes, or targets"
    if card["corpora"].keys() != card["speakers"].keys():
        yield "corpora and speakers are not of the same corpora"
    for corpus, speakers in card["speakers"].items():
        if len(speakers["ids"]) != speakers["count"]:
            yield f"speakers of {corpus}: not as many ids as count says"
    yield from _features(card)
    yield from _parameters(card)
    yield from _scores(card, names)
    if not card["classes"] and (card["temperature"] != 1 or card["calibration"]):
        yield "numbers have no temperature"
    if card["classes"] and (card["calibration"] is None) != (card["scores"] is None):
        yield "scores and calibration go together"


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


def _parameters(card: Card) -> Iterator[str]:
    """Faults of the training settings."""
    for name, value in card["parameters"].items():
        if name in SETTINGS and value is not None:
            kind, least, most, _ = SETTINGS[name]
            if fault := _fault(value, _number(least, most, kind is int), f"parameters.{name}"):
                yield fault


def _scores(card: Card, names: Collection[str]) -> Iterator[str]:
    """Faults of the scores."""
    scores, of_classes = card["scores"], bool(card["classes"])
    if scores is None:
        return
    if not isinstance(scores.get("leaks", ""), str):
        yield "scores.leaks is not text"
    scores = {name: value for name, value in scores.items() if name != "leaks"}
    if fault := _fault(scores, SCORES_OF_CLASSES if of_classes else SCORES_OF_NUMBERS, "scores"):
        yield fault
    elif set(scores["classes" if of_classes else "targets"]) != set(names):
        yield "scores are not of the classes, or targets"
    elif of_classes and [len(row) for row in scores["confusion"]] != [len(names)] * len(names):
        yield "scores.confusion is not (class, class)"


def _subset(some: Any, of: Any) -> bool:
    return isinstance(of, list) and all(one in of for one in some)


def _refuse(name: str) -> None:
    raise ValueError(f"it holds {name}")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"{text:.20} is too large a number")
    return value
