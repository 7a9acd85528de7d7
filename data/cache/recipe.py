"""The recipe: everything that determines the numbers in a cache, and nothing else.

The numbers of two caches are comparable if and only if their recipes are equal. The fingerprint of
a cache is the SHA-256 of the canonical JSON of its recipe. Library versions, hardware and time are
provenance, which is stored beside the recipe and is not part of the fingerprint.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from data.text import Lines, lines

Recipe = Mapping[str, Any]

EVERYTHING = "all"  # name of the encoder of a fine-tuning that was trained on all speakers

# Largest relative error of an utterance's embedding in a layer, between engines and machines. The
# largest measured errors are 1.1e-6 and 9.7e-3 (docs/extraction.md).
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def canonical(recipe: Recipe) -> str:
    """The recipe as JSON with sorted keys and no spaces; equal recipes have equal text."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(recipe: Recipe) -> str:
    """SHA-256 of the canonical recipe, in hexadecimal."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()


def differences(cached: Recipe, asked: Recipe) -> list[str]:
    """Describe the fields in which two recipes differ, one line each.

    >>> differences({"pooling": ["mean"], "engine": "torch"},
    ...             {"pooling": ["mean", "std"], "engine": "torch"})
    ['pooling: mean (cache) ≠ mean,std (asked)']
    """
    return [
        f"{key}: {_shown(cached.get(key))} (cache) ≠ {_shown(asked.get(key))} (asked)"
        for key in sorted(cached.keys() | asked.keys())
        if cached.get(key) != asked.get(key)
    ]


def difference_lines(first: str, cached: Recipe, asked: Recipe, *last: str) -> Lines:
    """The text of an error: `first`, the differences of two recipes, and `last`."""
    return lines([first, *(f"  {line}" for line in differences(cached, asked)), *last])


def encoder_name(recipe: Recipe) -> str:
    """The name of the encoder; a control with random weights is marked as such.

    >>> encoder_name({"model": "untrained:large", "control": True})
    'untrained control (large)'
    """
    model = str(recipe["model"])
    if not recipe.get("control"):
        return model
    kind = model.removeprefix("untrained").lstrip(":")
    return f"untrained control ({kind})" if kind else "untrained control"


def encoder_json(recipe: Recipe) -> dict[str, Any]:
    """Name, engine and precision of the encoder, for JSON."""
    return {
        "encoder": encoder_name(recipe),
        "control": bool(recipe.get("control")),
        "engine": recipe.get("engine"),
        "precision": recipe.get("precision"),
        **({"heard": recipe["heard"]} if "heard" in recipe else {}),
    }


def encoder_in_words(encoder: Mapping[str, Any]) -> str:
    """Describe the result of `encoder_json` in one line of text.

    >>> encoder_in_words({"encoder": "a/b", "engine": "openvino", "precision": "float32"})
    'a/b, float32 by openvino'
    """
    known = encoder.get("engine") and encoder.get("precision")
    how = f", {encoder['precision']} by {encoder['engine']}" if known else ""
    heard = encoder.get("heard")
    leak = f", LEAK: has heard {heard} tested utterances" if heard else ""
    return f"{encoder['encoder']}{how}{leak}"


def in_words(recipe: Recipe) -> str:
    """Describe the encoder of a recipe, its precision and engine in one line of text."""
    return encoder_in_words(encoder_json(recipe))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        if not value:
            return "none"
        numbers = all(isinstance(v, int) for v in value)
        if numbers and len(value) > 1 and list(value) == list(range(value[0], value[-1] + 1)):
            return f"{value[0]}-{value[-1]}"
        return ",".join(map(str, value))
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text  # a SHA-256
