"""Summarise a cache."""

from typing import Any

from data.cache.columns import ACHIEVED, CONDITION
from data.cache.reader import Cache


def summary(cache: Cache) -> dict[str, Any]:
    """Return counts, shapes, recipe and provenance of a cache, for JSON."""
    table = cache.utterances
    return {
        "path": str(cache.path),
        "files": len(cache.files),
        "bytes": sum(file.path.stat().st_size for file in cache.files),
        "utterances": len(cache),
        "hours": round(float(table["duration"].sum()) / 3600, 3),
        "layers": list(cache.layers),
        "pooling": list(cache.poolings),
        "dim": cache.dim,
        "baselines": list(cache.baselines),
        "sequence_layers": list(cache.sequence_layers),
        "corpora": {
            str(name): {
                "utterances": len(rows),
                "speakers": int(rows["speaker"].loc[rows["speaker"] != ""].nunique()),
                "hours": round(float(rows["duration"].sum()) / 3600, 3),
                "emotions": {str(k): int(v) for k, v in rows["emotion"].value_counts().items()},
            }
            for name, rows in table.groupby("corpus")
        },
        "conditions": _conditions(cache),
        "columns": list(table.columns),
        "fingerprint": cache.fingerprint,
        "recipe": cache.recipe,
        "provenance": cache.provenance,
    }


def _conditions(cache: Cache) -> dict[str, dict[str, Any]]:
    """Number of utterances in each condition, and the mean of their measured levels."""
    if not cache.conditions:
        return {}
    table = Cache(cache.path, degraded=True).utterances
    of = table[table[CONDITION] != ""].groupby(CONDITION)[ACHIEVED]
    return {
        str(name): {
            "utterances": len(levels),
            "achieved": round(float(levels.mean()), 4) if levels.notna().any() else None,
        }
        for name, levels in of
    }
