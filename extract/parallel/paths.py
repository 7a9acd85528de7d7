"""Map the roots of recordings to their paths on this machine.

Only the root of an utterance changes, and the roots of the noises of its condition. A cache does
not contain them, so caches do not depend on the roots of their recordings.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from data.condition import Condition
from data.errors import UsageError
from data.utterance import Utterance

Prefix = tuple[str, str]  # path of a folder in the utterances, and on this machine


def parse_prefix(text: str) -> Prefix:
    """Parse a value of ``--audio-prefix``.

    >>> parse_prefix("/data/speech=/mnt/speech")
    ('/data/speech', '/mnt/speech')

    Raises:
        UsageError: the value is not OLD=NEW.
    """
    old, separator, new = text.partition("=")
    if not (old and separator and new):
        raise UsageError(f"--audio-prefix {text!r}: expected OLD=NEW, such as /data=/mnt/data")
    return old, new


def placed(utterances: Iterable[Utterance], prefixes: Sequence[Prefix]) -> list[Utterance]:
    """Replace OLD by NEW in the roots of utterances and noises that begin with OLD.

    Whole folder names are compared, and the longest matching prefix is used. Relative paths start
    at the working directory.

    Raises:
        UsageError: a prefix is inside of a root, so that only a part of the corpus would move.
    """
    if not prefixes:
        return list(utterances)
    pairs = [(os.path.abspath(old), os.path.abspath(new)) for old, new in prefixes]
    pairs.sort(key=lambda pair: len(pair[0]), reverse=True)
    at = cache(partial(_moved, pairs=pairs))
    conditions: dict[int, Condition | None] = {}  # by identity: utterances share them
    moved = []
    for utterance in utterances:
        key = id(utterance.condition)
        if key not in conditions:
            conditions[key] = utterance.condition and replace(
                utterance.condition,
                noises=tuple(replace(one, root=at(one.root)) for one in utterance.condition.noises),
            )
        moved.append(replace(utterance, root=at(utterance.root), condition=conditions[key]))
    return moved


def _moved(root: Path, pairs: Sequence[Prefix]) -> Path:
    whole = os.path.abspath(root)
    for old, new in pairs:
        if os.path.commonpath([whole, old]) == old:
            return Path(new, os.path.relpath(whole, old))
    for old, _ in pairs:
        if os.path.commonpath([whole, old]) == whole:
            raise UsageError(
                f"--audio-prefix {old}=…: is inside of the corpus {whole}; use this folder or one "
                "above it"
            )
    return root
