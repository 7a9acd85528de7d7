"""The schema of ``model.json``: type and range of every field, and their consistency."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from classify.heads import HEADS, find
from classify.heads.storage import storable
from classify.models.calibration import LEAST, MOST
from classify.models.ranges import MEASURED
from classify.models.rules import (
    ANY,
    CORRELATION,
    COUNT,
    OBJECT,
    OTHER,
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
    each,
    either,
    fault_of,
    list_of,
    number,
    one_of,
    optional,
    verify,
)
from classify.options import split_one
from classify.training_options import SETTINGS
from data.cache import recipe as recipes

FORMAT = "wav2emo model"
VERSION = 2

Card = Mapping[str, Any]


SUMMARY = {
    "utterances": COUNT,
    "units": COUNT,
    "uar": SHARE,
    "accuracy": SHARE,
    "f1_macro": SHARE,
    OTHER: ANY,  # further metrics
    "ci95": optional(each(list_of(ANY, 2))),
}
INTERVALS: Schema = {"over": one_of("speakers", "utterances")}
ABOUT_FOLDS = {
    "split": TEXT,
    "folds": COUNT,
    "intervals": either(INTERVALS, INTERVALS | {"draws": COUNT}),  # draws: of an older bootstrap
}
SCORES_OF_CLASSES = ABOUT_FOLDS | {
    "chance": SHARE,
    "overall": SUMMARY,
    "classes": each(
        {
            "precision": SHARE,
            "recall": SHARE,
            "f1": SHARE,
            "support": SUM,
            "ci95": optional(list_of(SHARE, 2)),
        }
    ),
    "confusion": list_of(list_of(SUM)),
    "speakers": each({"uar": SHARE, "accuracy": SHARE, "utterances": COUNT, OTHER: ANY}),
    "groups": each(each(SUMMARY)),
}
AGREEMENT = {
    "ccc": optional(CORRELATION),
    "pearson": optional(CORRELATION),
    "rmse": optional(POSITIVE),
    "ci95": optional(list_of(CORRELATION, 2)),
}
SCORES_OF_NUMBERS = ABOUT_FOLDS | {
    "targets": each(AGREEMENT | {"deviation": POSITIVE}),
    "mean": AGREEMENT,
}
IN_CONDITION = {
    "utterances": COUNT,
    "uar": SHARE,
    "ci95": optional(list_of(SHARE, 2)),
    "change": optional(CORRELATION),
    "ci95_change": optional(list_of(CORRELATION, 2)),
    "p_holm": optional(SHARE),
    "unchanged": SHARE,
    "ece": SHARE,
}
FLAG = one_of(True, False)
AUGMENT = {
    "asked": list_of(TEXT),
    "conditions": list_of(TEXT),
    "by": TEXT,
    "uar": {"without": SHARE, "with": SHARE},
    "chosen": FLAG,
    "in_folds": list_of(FLAG),
}
DIFFERENCE = {
    "difference": optional(ANY),
    "ci95": optional(list_of(ANY, 2)),
    "p": optional(SHARE),
    "corrected": optional(SHARE),
}


def _fairness(measure: str, part: str, *others: str) -> Schema:
    """Groups of people, see `classify.fairness.result`."""
    score = {"ci95": optional(list_of(CORRELATION, 2))}
    size = {"speakers": optional(COUNT), "utterances": COUNT}
    group = size | score | {
        "scored": COUNT,
        "support": each(SUM),
        measure: optional(CORRELATION),
        part: each(score | {part: optional(CORRELATION)}),
        **dict.fromkeys(others, optional(ANY)),
    }  # fmt: skip
    column = {
        "exchanged": TEXT,
        "smallest_p": SHARE,
        "unknown": SUM,
        "classes": list_of(TEXT),
        "groups": each(group),
        "too_small": each(size | {"reason": TEXT}),
        "differences": list_of(DIFFERENCE | {"group": TEXT, "against": TEXT}),
        "gaps": list_of(DIFFERENCE | {"of": TEXT, "class": TEXT, "highest": TEXT, "lowest": TEXT}),
    }
    return {"measure": one_of(measure), "columns": each(column), "left_out": each(TEXT)}


SETTINGS_CHOSEN = each(SCALAR)
SCHEMA: dict[str, Schema] = {
    "format": one_of(FORMAT),
    "version": one_of(VERSION),
    "head": Rule(
        f"one of {', '.join(HEADS)}, or a class of scikit-learn as module:Class",
        lambda value: isinstance(value, str) and (value in HEADS or storable(value)),
    ),
    "parameters": each(SCALAR),
    "seed": number(0, 2**32 - 1, whole=True),
    "scaler": one_of("standard", "none"),
    "target": TEXT,
    "labels": optional(TEXT),
    "classes": ascending(str),
    "features": {
        "layer": Rule(
            "a layer's number, mean or mix",
            lambda value: value in ("mean", "mix") or (type(value) is int and value >= 0),
        ),
        "layers": ascending(int),
        "poolings": list_of(TEXT),
        "sequences": one_of(True, False),
    },
    "dim": COUNT,
    "recipe": OBJECT,
    "fingerprint": SHA256,
    "encoder_location": optional(TEXT),
    "corpora": each(COUNT),
    "speakers": each({"count": SUM, "ids": ascending(str)}),
    "support": each(COUNT),
    "choice": optional(
        {
            "by": TEXT,
            "tried": list_of({"settings": SETTINGS_CHOSEN, "uar": SHARE}),
            "chosen": SETTINGS_CHOSEN,
            "in_folds": list_of(SETTINGS_CHOSEN),
        }
    ),
    "scores": optional(Rule("scores", lambda value: isinstance(value, dict))),  # see `_scores`
    "across": replace(
        optional(each(optional(SUMMARY | {"classes": ascending(str)}))), may_lack=True
    ),  # of corpora that were left out
    "robustness": replace(
        optional({"augment": optional(AUGMENT), "conditions": optional(each(IN_CONDITION))}),
        may_lack=True,
    ),
    "fairness": replace(
        optional(
            either(
                _fairness("uar", "recall", "ece", "overconfidence"),
                _fairness("ccc", "target", "rmse", "bias"),
            )
        ),
        may_lack=True,
    ),
    "temperature": number(LEAST, MOST),
    "calibration": optional(
        {
            "before": {"nll": POSITIVE, "ece": SHARE},
            "after": {"nll": POSITIVE, "ece": SHARE},
            "bins": COUNT,
        }
    ),
    "ranges": replace(
        optional(
            {
                **dict.fromkeys(MEASURED, list_of(ANY, 2)),
                "languages": ascending(str),
            }
        ),
        may_lack=True,
    ),  # see `classify.models.ranges`
    "domain": replace(
        optional({"threshold": POSITIVE, "false_alarms": SHARE, "sha256": SHA256}), may_lack=True
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
    verify(card, SCHEMA)
    for fault in _inconsistencies(card):
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
            if fault := fault_of(value, number(least, most, kind is int), f"parameters.{name}"):
                yield fault


def _scores(card: Card, names: Collection[str]) -> Iterator[str]:
    """Faults of the scores."""
    scores, of_classes = card["scores"], bool(card["classes"])
    if scores is None:
        return
    if not isinstance(scores.get("leaks", ""), str):
        yield "scores.leaks is not text"
    scores = {name: value for name, value in scores.items() if name != "leaks"}
    if fault := fault_of(scores, SCORES_OF_CLASSES if of_classes else SCORES_OF_NUMBERS, "scores"):
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
