"""Any folder: the subfolders are the labels, or a pattern names the fields of the paths.

``--pattern '{speaker}/{emotion}_{take}.wav'`` is compared with the end of each path. ``{speaker}``
and ``{emotion}`` set the speaker and the label; other fields become columns. A field contains no
slash. The extension may be left out or be ``.*``. A field that occurs twice must have one value.
"""

import re
from collections.abc import Mapping
from string import Formatter

from data.corpora.rows import RESERVED
from data.corpora.tree import AUDIO, Found, Tree, tally
from data.errors import CorpusError, UsageError
from data.utterance import Utterance

TITLE = "Folder of recordings"
SIZE = None
LABELS: dict[str, str | None] = {}  # English words, see `data.emotions`


def recognise(tree: Tree) -> bool:
    """Whether there are any recordings."""
    return bool(tree.recordings)


def read(tree: Tree, pattern: str | None = None) -> Found:
    """Read utterances and warnings. Without a pattern the speakers are unknown.

    Raises:
        UsageError: the pattern is malformed.
        CorpusError: the pattern matches no recording, or the root is a table.
    """
    if not tree.recordings:
        found = f"{tree.others[0]}: a table" if len(tree.others) == 1 else "no recordings"
        raise CorpusError(f"{tree.root}: {found}, expected a folder with recordings")
    if pattern is None:
        return _by_subfolder(tree)
    grammar = compile_pattern(pattern)
    matches = {path: grammar.fullmatch(path) for path in tree.recordings}
    values = {path: match.groupdict() for path, match in matches.items() if match}
    others = [path for path in tree.recordings if path not in values]
    if not values:
        raise CorpusError(
            f"{tree.root}: the pattern {pattern!r} matches none of its {len(others)} recordings "
            f"(first: {others[0]})"
        )
    utterances = [_utterance(tree, path, named) for path, named in values.items()]
    return utterances, tally("recordings that the pattern does not match, left out", others)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Convert a pattern to a regular expression for whole relative paths.

    >>> compile_pattern("{speaker}/{emotion}_{take}").fullmatch("a/s1/sad_02.WAV").groupdict()
    {'speaker': 's1', 'emotion': 'sad', 'take': '02'}

    Raises:
        UsageError: the pattern is malformed.
    """
    stem, extension = _split_extension(pattern)
    expression, seen, literal = "", set(), "/"
    try:
        parts = list(Formatter().parse(stem))
    except ValueError as error:
        raise UsageError(f"the pattern {pattern!r} is malformed: {error}") from None
    for literal, field, spec, conversion in parts:
        expression += re.escape(literal)
        if field is None:
            continue
        if not field.isidentifier() or spec or conversion:
            raise UsageError(f"the pattern {pattern!r} has a field that is not a plain {{name}}")
        if field in RESERVED - {"speaker", "emotion"}:
            raise UsageError(
                f"the pattern {pattern!r}: the name {field!r} is taken; choose another"
            )
        if expression.endswith(")") and not literal:
            raise UsageError(f"the pattern {pattern!r} has two fields with nothing between them")
        expression += f"(?P={field})" if field in seen else f"(?P<{field}>[^/]+?)"
        seen.add(field)
    if not seen:
        raise UsageError(f"the pattern {pattern!r} has no field, such as {{emotion}}")
    return re.compile(rf"(?:.*/)?{expression.lstrip('/')}{extension}", re.DOTALL)


def _split_extension(pattern: str) -> tuple[str, str]:
    """Split a pattern into the part before the extension and an expression for the extension."""
    for extension in AUDIO:
        if pattern.lower().endswith(extension):
            return pattern[: -len(extension)], f"(?i:{re.escape(extension)})"
    return pattern.removesuffix(".*"), r"\.[^./]+"


def _by_subfolder(tree: Tree) -> Found:
    labels = {path: path.rpartition("/")[0].rpartition("/")[2] for path in tree.recordings}
    utterances = [_utterance(tree, path, {"emotion": label}) for path, label in labels.items()]
    unlabelled = [path for path, label in labels.items() if not label]
    if len(unlabelled) == len(utterances):
        return utterances, []
    return utterances, tally("recordings without a subfolder, so without a label", unlabelled)


def _utterance(tree: Tree, path: str, values: Mapping[str, str]) -> Utterance:
    return Utterance(
        id=f"{tree.name}/{path}",
        corpus=tree.name,
        root=tree.root,
        path=path,
        speaker=values.get("speaker"),
        emotion=values.get("emotion") or None,
        attributes={k: v for k, v in values.items() if k not in ("speaker", "emotion")},
    )
