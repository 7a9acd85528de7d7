"""The files below the root of a corpus, listed once for all modules, and utterances from names."""

import csv
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from data.errors import CorpusError
from data.utterance import Utterance

CONTAINERS = (".m4a", ".mp4", ".webm", ".avi")  # read if PyAV is installed
# preferred first, if a recording has several files
AUDIO = (".wav", ".flac", ".ogg", ".mp3", *CONTAINERS)
TABLES = (".csv", ".tsv", ".parquet")
LISTS = (".jsonl", ".jsonl.gz")
SEXES = {
    **dict.fromkeys(("f", "F", "female"), "female"),
    **dict.fromkeys(("m", "M", "male"), "male"),
}
INTEGERS = {"age", "repetition", "take"}

Fields = Mapping[str, str | float | None]  # speaker, emotion and attributes; None, "": unknown
Found = tuple[list[Utterance], list[str]]  # utterances and warnings


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

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """File names of the recordings, without extensions."""
        return tuple(_stem(path) for path in self.recordings)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Paths of the recordings, without extensions."""
        return tuple(path.rpartition(".")[0] for path in self.recordings)

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

    def require(self, *candidates: str) -> Path:
        """Like `find`, for a file that is needed.

        Raises:
            CorpusError: none of the files exists.
        """
        found = self.find(*candidates)
        if found is None:
            raise CorpusError(
                f"{self.root}: the labels are missing; expected {candidates[0]}. "
                "Give the folder that contains it."
            )
        return found


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
    """Whether `grammar` matches more than half of the recordings, see `read_names`."""
    texts = tree.paths if _of_paths(grammar) else tree.stems
    half = (len(texts) + 1) // 2
    strangers = (text for text in texts if grammar.fullmatch(text) is None)
    return len(list(islice(strangers, half))) < half  # stops at the first half of strangers


def read_names(
    tree: Tree,
    corpus: str,
    grammar: re.Pattern[str],
    values: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    fields: Callable[[re.Match[str]], Fields] = lambda match: {},
    name: Callable[[re.Match[str]], str] | None = None,
    rows: Mapping[str, Fields] | None = None,
) -> Found:
    """Read the utterances of a corpus, and warnings. Recordings may be in any folder and format; of
    copies in several formats, one is read.

    Args:
        tree: the files.
        corpus: name of the corpus, in ids and messages.
        grammar: expression for the file name of a recording, without extension; for its whole
            path, if the expression contains a slash. Its named groups are fields: ``speaker``,
            ``emotion`` and attributes.
        values: group → code → value, beside those of `SEXES` and `INTEGERS`.
        fields: further fields of a match, which replace those of the groups.
        name: makes the name of a recording; by default it is the group ``name`` of the grammar or,
            without such a group, all that the grammar matches.
        rows: further fields by name, of a corpus with a table. A recording without a row is left
            out.

    Raises:
        CorpusError: no file name matches, or no recording has a row.
    """
    recordings, warnings = _by_name(tree, grammar, corpus, name or _name)
    if rows is not None:
        described = [recording for recording in recordings if recording[0] in rows]
        if not described:
            raise CorpusError(f"{tree.root}: the labels of {corpus} describe no recording")
        unlabelled = [path for key, _, path in recordings if key not in rows]
        warnings += tally("recordings without labels, left out", unlabelled)
        silent = rows.keys() - {key for key, _, _ in recordings}
        warnings += tally("labels without a recording, left out", sorted(silent))
        recordings = described
    utterances = []
    for key, match, path in recordings:
        found: dict[str, str | float | None] = {**match.groupdict()}
        found |= {group: int(match[group]) for group in INTEGERS & found.keys()}
        for group, meanings in {"sex": SEXES, **values}.items():
            if group in found:
                found[group] = meanings.get(match[group])
        found |= {**fields(match), **(rows or {}).get(key, {})}
        known = {k: v for k, v in found.items() if v not in (None, "") and k != "name"}
        speaker, emotion = (known.pop(field, None) for field in ("speaker", "emotion"))
        utterances.append(
            Utterance(
                id=f"{corpus}/{key}",
                corpus=corpus,
                root=tree.root,
                path=path,
                speaker=None if speaker is None else str(speaker),
                emotion=None if emotion is None else str(emotion),
                attributes=known,
            )
        )
    return utterances, warnings


def _by_name(
    tree: Tree, grammar: re.Pattern[str], corpus: str, name: Callable[[re.Match[str]], str]
) -> tuple[list[tuple[str, re.Match[str], str]], list[str]]:
    """Name, match and path of each recording, sorted by name; warnings about other files."""
    recordings: dict[str, tuple[re.Match[str], str]] = {}
    others, repeats = [], []
    of_paths = _of_paths(grammar)
    for path in sorted(tree.recordings, key=_preference):
        match = grammar.fullmatch(path.rpartition(".")[0] if of_paths else _stem(path))
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


def numbered(labels: Iterable[str]) -> dict[str, str]:
    """The label of each code, if codes are the positions 01, 02, … of labels."""
    return {f"{code:02}": label for code, label in enumerate(labels, start=1)}


def read_table(
    table: Path, columns: Sequence[str], corpus: str, delimiter: str = ","
) -> list[dict[str, str]]:
    """Read the rows of a text table that accompanies a corpus.

    Raises:
        CorpusError: one of `columns` is missing, or the file is no table.
    """
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.DictReader(file, delimiter=delimiter, restval="")
        try:
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            rows = list(reader)
        except csv.Error as error:
            raise CorpusError(f"{table}: cannot be read as a table: {error}") from None
    if missing:
        raise CorpusError(
            f"{table}: no column {', '.join(missing)}; expected the table of {corpus}"
        )
    return rows


def has_columns(table: Path | None, columns: Sequence[str], delimiter: str = ",") -> bool:
    """Whether a text table exists and has all of `columns`."""
    if table is None:
        return False
    with table.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline(10_000).strip().split(delimiter)
    return set(columns) <= {name.strip('"') for name in header}


def number(text: str) -> float | None:
    """Convert a cell of a table; None if it is not a finite number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def tally(what: str, paths: Sequence[str]) -> list[str]:
    """A list with the warning ``what: count (first: path)``, or empty without paths."""
    return [f"{what}: {len(paths)} (first: {min(paths)})"] if paths else []


def _name(match: re.Match[str]) -> str:
    return match["name" if "name" in match.re.groupindex else 0]


def _of_paths(grammar: re.Pattern[str]) -> bool:
    return "/" in grammar.pattern


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
