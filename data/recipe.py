"""The recipe: everything that decides the numbers in a cache, and nothing else.

Two caches hold comparable numbers exactly when their recipes are equal. The SHA-256 of the recipe's
canonical JSON is the cache's fingerprint. Library versions, hardware and time are provenance: kept
beside the recipe, but no part of the identity.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Recipe = Mapping[str, Any]


def canonical(recipe: Recipe) -> str:
    """The recipe as JSON with sorted keys and no spaces: equal recipes give equal text."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(recipe: Recipe) -> str:
    """SHA-256 of the canonical recipe, in hexadecimal."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()


def differences(cached: Recipe, asked: Recipe) -> list[str]:
    """What two recipes disagree on, one line a field.

    >>> differences({"pooling": ["mean"], "engine": "torch"},
    ...             {"pooling": ["mean", "std"], "engine": "torch"})
    ['pooling: mean (cache) ≠ mean,std (asked)']
    """
    return [
        f"{key}: {_shown(cached.get(key))} (cache) ≠ {_shown(asked.get(key))} (asked)"
        for key in sorted(cached.keys() | asked.keys())
        if cached.get(key) != asked.get(key)
    ]


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
