"""The recipe: everything that determines the numbers in a cache, and nothing else.

Two caches hold comparable numbers exactly when their recipes are equal. The SHA-256 of the recipe's
canonical JSON is the cache's fingerprint. Library versions, hardware and time are provenance, which
is stored beside the recipe and is not part of the fingerprint.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Recipe = Mapping[str, Any]

# Relative error of an utterance's embedding in any layer, between engines and between machines. The
# largest measured are 1.1e-6 and 9.7e-3: torch and OpenVINO, untrained tiny, base and large, on a
# CPU with AMX, as AVX512-BF16 and AVX2, and on an H100; bfloat16 also against float32.
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def canonical(recipe: Recipe) -> str:
    """The recipe as JSON with sorted keys and no spaces: equal recipes give equal text."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(recipe: Recipe) -> str:
    """SHA-256 of the canonical recipe, in hexadecimal."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()


def differences(cached: Recipe, asked: Recipe) -> list[str]:
    """The fields in which two recipes differ, one line each.

    >>> differences({"pooling": ["mean"], "engine": "torch"},
    ...             {"pooling": ["mean", "std"], "engine": "torch"})
    ['pooling: mean (cache) ≠ mean,std (asked)']
    """
    return [
        f"{key}: {_shown(cached.get(key))} (cache) ≠ {_shown(asked.get(key))} (asked)"
        for key in sorted(cached.keys() | asked.keys())
        if cached.get(key) != asked.get(key)
    ]


def encoder_name(recipe: Recipe) -> str:
    """The name of the encoder; a control is marked, so that it is not taken for a pretrained one.

    >>> encoder_name({"model": "untrained:large", "control": True})
    'untrained control (large)'
    """
    model = str(recipe["model"])
    if not recipe.get("control"):
        return model
    kind = model.removeprefix("untrained").lstrip(":")
    return f"untrained control ({kind})" if kind else "untrained control"


def encoder_json(recipe: Recipe) -> dict[str, Any]:
    """The encoder's name, engine and precision, as JSON puts them beside scores."""
    return {
        "encoder": encoder_name(recipe),
        "control": bool(recipe.get("control")),
        "engine": recipe.get("engine"),
        "precision": recipe.get("precision"),
    }


def encoder_in_words(found: Mapping[str, Any]) -> str:
    """The same in one line of text, from the result of `encoder_json`.

    >>> encoder_in_words({"encoder": "a/b", "engine": "openvino", "precision": "float32"})
    'a/b, float32 by openvino'
    """
    known = found.get("engine") and found.get("precision")
    how = f", {found['precision']} by {found['engine']}" if known else ""
    return f"{found['encoder']}{how}"


def in_words(recipe: Recipe) -> str:
    """The encoder of a recipe with its precision and engine, in one line of text."""
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
