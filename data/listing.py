"""A file with a list of utterances, which is made once and read on any machine.

It has one JSON object a line, with the fields of `data.utterance.Utterance` and the length in
seconds. Extraction from a list gives the same cache as extraction from its corpora.
"""

import json
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from data.atomic import publish_bytes
from data.errors import CorpusError
from data.utterance import Utterance

SUFFIX = ".jsonl"
TEXT = ("id", "corpus", "root", "path")
OPTIONAL = {"speaker": str, "emotion": str, "start": int | float, "end": int | float}
FIELDS = (*TEXT, *OPTIONAL)  # of an utterance


def write(path: Path, utterances: Iterable[tuple[Utterance, float | None]]) -> int:
    """Write utterances with their lengths in seconds, atomically; return their number."""
    lines = []
    for utterance, seconds in utterances:
        row = {name: getattr(utterance, name) for name in FIELDS}
        row |= {"root": os.path.abspath(utterance.root), "seconds": seconds}
        row["attributes"] = dict(utterance.attributes)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
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


def _utterance(line: str, where: str) -> tuple[Utterance, float | None]:
    try:
        row = json.loads(line)
        seconds, attributes = row.get("seconds"), row.get("attributes") or {}
        wrong = [name for name in TEXT if not isinstance(row[name], str) or not row[name]]
        wrong += [n for n, of in OPTIONAL.items() if not isinstance(row.get(n), of | None)]
        wrong += [] if isinstance(seconds, int | float | None) else ["seconds"]
        if not all(isinstance(value, str | int | float) for value in attributes.values()):
            wrong.append("attributes")
        if wrong:
            raise ValueError(f"{wrong[0]} has an invalid value")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"{where}: expected an utterance as 'python -m data scan CORPUS -o' writes it ({error})"
        ) from None
    fields = {name: row.get(name) for name in FIELDS} | {"root": Path(row["root"])}
    return Utterance(**fields, attributes=attributes), seconds
