"""Find recordings: files, folders, globs and tables, in the order given."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from classify.inference.files.options import STANDARD_INPUT
from data import corpora
from data.corpora.tree import AUDIO, TABLES, no_audio, walk
from data.errors import AudioError, CorpusError
from data.utterance import Utterance

MAGIC = re.compile(r"[*?[]")


def find(
    inputs: Sequence[str],
    follow_links: bool = False,
    receive: Callable[[], Utterance] | None = None,
) -> tuple[list[Utterance], list[str]]:
    """The utterances of `inputs`, and a message for each input without any.

    A recording outside of a table has no corpus, and its id is its path. ``-`` is read by
    `receive`.
    """
    found: list[Utterance] = []
    problems: list[str] = []
    for given in inputs:
        try:
            if receive and given == STANDARD_INPUT:
                found.append(receive())
                continue
            if not given:
                raise CorpusError("an empty name is given; expected a recording")
            if MAGIC.search(given) and not Path(given).exists():
                utterances, warnings = _matching(given, follow_links)
            else:
                utterances, warnings = _at(Path(given), follow_links)
        except CorpusError as error:
            problems.append(str(error))
        except AudioError as error:
            problems.append(f"standard input: {error}")
        else:
            found += utterances
            problems += [f"{given}: {warning}" for warning in warnings]
    return found, problems


def _at(path: Path, follow_links: bool) -> tuple[list[Utterance], list[str]]:
    if path.suffix.lower() in TABLES:
        table = corpora.read(path, "table", follow_links=follow_links)
        return list(table.utterances), list(table.warnings)
    tree = walk(path, follow_links)
    if not tree.recordings:
        raise no_audio(tree)
    return [
        Utterance(id=str(tree.root / name), corpus="", root=tree.root, path=name)
        for name in tree.recordings
    ], list(tree.warnings)


def _matching(pattern: str, follow_links: bool) -> tuple[list[Utterance], list[str]]:
    """Recordings that match a glob or lie in a matching folder, each once. Other files are skipped;
    tables are read if the pattern ends in their suffix."""
    wanted = TABLES if pattern.lower().endswith(TABLES) else AUDIO
    found: dict[str, Utterance] = {}
    warnings: list[str] = []
    matches = list(_glob(Path(pattern)))
    for path in matches:
        try:
            if path.is_dir() or path.suffix.lower() in wanted:
                utterances, more = _at(path, follow_links)
                found |= {utterance.id: utterance for utterance in utterances}
                warnings += more
        except CorpusError as error:
            if not path.is_dir():  # a folder without audio is skipped
                warnings.append(str(error))
    if not found and not warnings:
        what = "matches no audio" if matches else "matches nothing"
        raise CorpusError(f"{pattern}: {what}; '**' stands for folders in folders")
    return list(found.values()), warnings


def _glob(pattern: Path) -> Iterator[Path]:
    """Paths that match a pattern, sorted, without hidden files; ``**`` follows no links."""
    magic = next(n for n, part in enumerate(pattern.parts) if MAGIC.search(part))
    base, rest = Path(*pattern.parts[:magic]), pattern.parts[magic:]
    hidden = any(part.startswith(".") for part in rest)
    for path in sorted(base.glob("/".join(rest))):
        if hidden or not any(part.startswith(".") for part in path.relative_to(base).parts):
            yield path
