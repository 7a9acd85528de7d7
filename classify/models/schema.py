"""The schema of ``model.json``: type and range of the fields, and their consistency."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from classify.heads import HEADS, find
from classify.heads.storage import storable
from classify.models.calibration import LEAST, MOST
from classify.models.ranges import MEASURED
from classify.models.rules import (
    ANY,
    COUNT,
    FLAG,
    OBJECT,
    POSITIVE,
    SCALAR,
    SHA256,
    SHARE,
    SUM,
    TEXT,
    Malformed,
    Rule,
    Schema,
    ascending,
    fault_of,
    number,
    one_of,
)
from classify.options import split_one
from classify.training_options import SETTINGS
from data.cache import recipe as recipes

FORMAT = "wav2emo model"
VERSION = 2

Card = Mapping[str, Any]

REPORT = (None, OBJECT)  # what training has found, for people: no prediction depends on it
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
    "ranges?": (None, {**{name: [ANY, ANY] for name in MEASURED}, "languages": ascending(str)}),
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
    for name, value in card["parameters"].items():
        if name in SETTINGS and value is not None:
            kind, least, most, _ = SETTINGS[name]
            if fault := fault_of(value, number(least, most, kind is int), f"parameters.{name}"):
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
