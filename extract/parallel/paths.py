"""Where recordings lie on this machine, if not where the list of utterances says.

Only the root of an utterance changes. Its id, its path below the root and all else that a cache
keeps stay as they are, so a cache does not depend on the roots of its recordings.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data.errors import UsageError
from data.utterance import Utterance

Prefix = tuple[str, str]  # a folder as utterances name it, and the same folder on this machine


def parse_prefix(text: str) -> Prefix:
    """A prefix as ``--audio-prefix`` takes it.

    >>> parse_prefix("/data/speech=/mnt/speech")
    ('/data/speech', '/mnt/speech')

    Raises:
        UsageError: it is not OLD=NEW.
    """
    old, separator, new = text.partition("=")
    if not (old and separator and new):
        raise UsageError(f"--audio-prefix {text!r}: expected OLD=NEW, such as /data=/mnt/data")
    return old, new


def placed(utterances: Iterable[Utterance], prefixes: Sequence[Prefix]) -> list[Utterance]:
    """The utterances, with roots that begin with an OLD of `prefixes` below its NEW instead.

    Whole names of folders are compared, and of several that fit the longest counts. Relative roots
    and prefixes start at the working directory.

    Raises:
        UsageError: a prefix lies inside of a root, where only part of a corpus would move.
    """
    if not prefixes:
        return list(utterances)
    pairs = [(os.path.abspath(old), os.path.abspath(new)) for old, new in prefixes]
    pairs.sort(key=lambda pair: len(pair[0]), reverse=True)
    roots: dict[Path, Path] = {}  # there are few roots, and many utterances
    moved = []
    for utterance in utterances:
        if utterance.root not in roots:
            roots[utterance.root] = _moved(utterance.root, pairs)
        moved.append(replace(utterance, root=roots[utterance.root]))
    return moved


def _moved(root: Path, pairs: Sequence[Prefix]) -> Path:
    whole = os.path.abspath(root)
    for old, new in pairs:
        if os.path.commonpath([whole, old]) == old:
            return Path(new, os.path.relpath(whole, old))
    for old, _ in pairs:
        if os.path.commonpath([whole, old]) == whole:
            raise UsageError(
                f"--audio-prefix {old}=…: lies inside of the corpus {whole}; "
                "give that folder, or one above it"
            )
    return root
