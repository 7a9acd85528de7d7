"""Utterances of a cache, for other programs that read the recordings."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.cache.columns import EMBEDDED, REQUIRED
from data.cache.reader import Cache
from data.errors import UsageError
from data.utterance import Utterance


def utterances(cache: Cache, roots: Sequence[Path]) -> list[Utterance]:
    """Utterances of a cache whose recordings are below one of `roots`.

    Raises:
        UsageError: a recording is in none of them, or in several.
    """
    return [utterance(row, roots) for row in cache.utterances.to_dict("records")]


def utterance(row: dict[str, Any], roots: Sequence[Path]) -> Utterance:
    """The utterance of a row of `Cache.utterances`; see `utterances`."""
    places = [root for root in roots if (root / row["path"]).is_file()]
    if len(places) != 1:
        raise UsageError(
            f"{row['id']}: {row['path']} is in {len(places)} of the folders of --corpus-root; "
            "expected one"
        )
    known = {name: value for name, value in row.items() if value not in ("", None)}
    known = {k: v for k, v in known.items() if not (isinstance(v, float) and math.isnan(v))}
    return Utterance(
        known["id"],
        known["corpus"],
        places[0],
        known["path"],
        known.get("speaker"),
        known.get("emotion"),
        known.get("start"),
        known.get("end"),
        {k: v for k, v in known.items() if k not in (*REQUIRED, *EMBEDDED)},
    )
