"""The file names below the root of a corpus, which are listed once for all corpus modules."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from data.errors import CorpusError

CONTAINERS = (".m4a", ".mp4", ".webm", ".avi")  # read if PyAV is installed
# preferred first, if a recording has several files
AUDIO = (".wav", ".flac", ".ogg", ".mp3", *CONTAINERS)
TABLES = (".csv", ".tsv", ".parquet")
LISTS = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Tree:
    """Paths of the files below `root`: relative, with forward slashes, sorted.

    Hidden files, ``__MACOSX`` and links that leave the root are left out.
    """

    root: Path
    recordings: tuple[str, ...]  # files with an extension of AUDIO
    others: tuple[str, ...] = ()  # all other files; if the root is a table, only the table
    warnings: tuple[str, ...] = ()
    follow_links: bool = False

    @cached_property
    def name(self) -> str:
        """Name of the root folder, which is the name of a corpus without its own name."""
        return self.root.resolve().name or "folder"

    def find(self, *candidates: str) -> Path | None:
        """Find a file that accompanies the recordings, in the tree or beside its root.

        Args:
            candidates: relative paths, such as ``processedResults/summaryTable.csv``. In the tree,
                only the file name is compared, and the file nearest to the root is returned.
        """
        names = {PurePosixPath(candidate).name for candidate in candidates}
        inside = [path for path in self.others if path.rpartition("/")[2] in names]
        if inside:
            return self.root / min(inside, key=lambda path: (path.count("/"), path))
        beside = (self.root.resolve().parent / candidate for candidate in candidates)
        return next((path for path in beside if path.is_file()), None)


def walk(root: Path, follow_links: bool = False) -> Tree:
    """List a folder; a table or a single recording is a tree of one file.

    Raises:
        CorpusError: `root` does not exist, or cannot be a corpus.
    """
    if not root.exists():
        raise CorpusError(f"no such file or folder: {root}")
    if root.is_file():
        name = root.name.lower()
        if not name.endswith(AUDIO + TABLES + LISTS):
            raise CorpusError(
                f"{root}: expected a folder, a table (.csv .tsv .parquet), a list or cuts (.jsonl "
                f".jsonl.gz), or a recording ({' '.join(AUDIO)})"
            )
        if name.endswith(AUDIO):
            return Tree(root.parent, recordings=(root.name,), follow_links=follow_links)
        return Tree(root.parent, recordings=(), others=(root.name,), follow_links=follow_links)
    files, warnings = _list(root, follow_links)
    audio = [path for path in files if path.lower().endswith(AUDIO)]
    others = tuple(path for path in files if not path.lower().endswith(AUDIO))
    return Tree(root, tuple(audio), others, tuple(warnings), follow_links)


def no_audio(tree: Tree) -> CorpusError:
    """The error of a tree without recordings."""
    why = "".join(f"; {warning}" for warning in tree.warnings)
    return CorpusError(f"{tree.root}: contains no audio; expected files {' '.join(AUDIO)}{why}")


def mostly(tree: Tree, grammar: re.Pattern[str]) -> bool:
    """Whether `grammar` matches more than half of the file names, without extensions."""
    matching = sum(grammar.fullmatch(_stem(path)) is not None for path in tree.recordings)
    return 2 * matching > len(tree.recordings)


def by_name(
    tree: Tree,
    grammar: re.Pattern[str],
    corpus: str,
    name: Callable[[re.Match[str]], str] = lambda match: match[0],
) -> tuple[list[tuple[str, re.Match[str], str]], list[str]]:
    """Find each recording of a corpus once, in any folder and any format.

    Args:
        tree: the files.
        grammar: expression for the file name of a recording, without extension.
        corpus: title of the corpus, for messages.
        name: corrects misspelt file names.

    Returns:
        (corrected name, match, path) of each recording, sorted by name; warnings about other files.

    Raises:
        CorpusError: no file name matches.
    """
    recordings: dict[str, tuple[re.Match[str], str]] = {}
    others, repeats = [], []
    for path in sorted(tree.recordings, key=_preference):
        match = grammar.fullmatch(_stem(path))
        if match is None:
            others.append(path)
        elif recordings.setdefault(name(match), (match, path))[1] != path:
            repeats.append(path)
    if not recordings:
        first = f" (first: {others[0]})" if others else ""
        raise CorpusError(f"{tree.root}: contains no file name of {corpus}{first}")
    warnings = tally(f"audio files without a file name of {corpus}, left out", others)
    warnings += tally("audio files that repeat a recording, left out", repeats)
    return [(key, *recordings[key]) for key in sorted(recordings)], warnings


def tally(what: str, paths: Sequence[str]) -> list[str]:
    """A list with the warning ``what: count (first: path)``, or empty without paths."""
    return [f"{what}: {len(paths)} (first: {min(paths)})"] if paths else []


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _preference(path: str) -> tuple[int, int, str]:
    extension = "." + path.rpartition(".")[2].lower()
    return AUDIO.index(extension), path.count("/"), path


def _list(root: Path, follow_links: bool) -> tuple[list[str], list[str]]:
    """List all files below `root`, sorted, and warnings; visit each folder once, links last."""
    inside = os.path.realpath(root) + os.sep
    files: list[str] = []
    leaving: list[str] = []
    unlisted: list[str] = []
    unnamed: list[str] = []
    folders: list[str] = [""]
    linked: list[str] = []
    visited: set[tuple[int, int]] = set()
    while folders or linked:
        folder = folders.pop() if folders else linked.pop(0)
        try:
            status = os.stat(root / folder)
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError:
            if not folder:
                raise
            unlisted.append(folder)
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        for entry in entries:
            path, link = folder + entry.name, entry.is_symlink()
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if not _is_text(entry.name):
                unnamed.append(ascii(path))
            elif link and not follow_links and not _below(entry.path, inside):
                leaving.append(path)
            elif entry.is_dir():
                (linked if link else folders).append(path + "/")
            elif entry.is_file():
                files.append(path)
    warnings = tally("links that leave the folder, not followed without --follow-links", leaving)
    warnings += tally("folders that cannot be listed, left out", unlisted)
    warnings += tally("names that are not valid UTF-8, left out", unnamed)
    return sorted(files), warnings


def _below(path: str, folder: str) -> bool:
    return (os.path.realpath(path) + os.sep).startswith(folder)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
