"""A file with a list of utterances, which is made once and read on any machine.

It has one JSON object a line, with the fields of `data.utterance.Utterance` and the length in
seconds. Extraction from a list gives the same cache as extraction from its corpora.
"""

import json
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from data.atomic import publish_bytes
from data.errors import CorpusError
from data.utterance import Utterance

SUFFIX = ".jsonl"
TEXT = ("id", "corpus", "root", "path")
OPTIONAL_TEXT = ("speaker", "emotion")
OPTIONAL_SECONDS = ("start", "end", "seconds")


def write(path: Path, utterances: Iterable[tuple[Utterance, float | None]]) -> int:
    """Write utterances with their lengths in seconds, atomically; return their number."""
    lines = [json.dumps(_row(*item), ensure_ascii=False) + "\n" for item in utterances]
    publish_bytes(path, "".join(lines).encode())
    return len(lines)


def read(path: Path, follow_links: bool = False) -> Iterator[tuple[Utterance, float | None]]:
    """Yield the utterances of a list with their lengths in seconds (None: unknown).

    Raises:
        CorpusError: the file cannot be read, is not a list of utterances, or names a recording
            outside of its corpus without `follow_links`.
    """
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                utterance, seconds = _utterance(line, where := f"{path}, line {number}")
                if not follow_links and posixpath.normpath(utterance.path).startswith(("../", "/")):
                    raise CorpusError(
                        f"{where}: {utterance.path} lies outside of its corpus; "
                        "allow that with --follow-links"
                    )
                yield utterance, seconds
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read as a list of utterances: {error}") from error


def _row(utterance: Utterance, seconds: float | None) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "corpus": utterance.corpus,
        "root": os.path.abspath(utterance.root),
        "path": utterance.path,
        "speaker": utterance.speaker,
        "emotion": utterance.emotion,
        "start": utterance.start,
        "end": utterance.end,
        "seconds": seconds,
        "attributes": dict(utterance.attributes),
    }


def _utterance(line: str, where: str) -> tuple[Utterance, float | None]:
    try:
        row = json.loads(line)
        wrong = [name for name in TEXT if not isinstance(row[name], str) or not row[name]]
        wrong += [n for n in OPTIONAL_TEXT if not isinstance(row.get(n, ""), str | None)]
        wrong += [n for n in OPTIONAL_SECONDS if not isinstance(row.get(n), int | float | None)]
        attributes = row.get("attributes") or {}
        if wrong or not all(isinstance(v, (str, int, float)) for v in attributes.values()):
            raise ValueError(f"{wrong[0] if wrong else 'attributes'} has an invalid value")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"{where}: expected an utterance as 'python -m data scan CORPUS -o' writes it ({error})"
        ) from None
    return Utterance(
        row["id"],
        row["corpus"],
        Path(row["root"]),
        row["path"],
        row.get("speaker"),
        row.get("emotion"),
        row.get("start"),
        row.get("end"),
        attributes,
    ), row.get("seconds")
