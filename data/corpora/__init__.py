"""Corpora by name: each module reads utterances from the file names of a corpus.

To add a corpus, add a module to this folder. Its constants are ``TITLE, SIZE, ORIGIN, CITATION``;
``TERMS``, unless the page of the corpus states them; ``LANGUAGES``, ISO 639-1 codes, of which a
single one becomes the ``language`` of all utterances; ``LABELS``, from native to shared emotions;
``GRAMMAR``, the expression of the file names, whose named groups are the speaker, the emotion and
attributes; and ``VALUES``, the meanings of the codes in a group. The functions ``fields(match)``
and ``rows(tree)`` add what the groups do not state, and ``name(match)`` makes the name of a
recording, see `data.corpora.tree.read_names`. They are optional. If this is not enough,
``recognise(tree) -> bool`` and ``read(tree) -> (utterances, warnings)`` replace what is done with
the grammar. A module is imported when it is needed.
"""

import importlib
import os
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from data import listing
from data.corpora.tree import Found, Tree, mostly, no_audio, read_names, walk
from data.errors import CorpusError, UsageError
from data.utterance import Utterance

_FIRST = ("audformat", "huggingface", "lhotse")  # they describe recordings of any name
_LAST = ("table", "folder")  # they recognise files that no corpus recognises
_NO_CORPUS = (*_LAST, "rows", "tree")


@dataclass(frozen=True)
class Corpus:
    """The utterances of one root, sorted by id."""

    name: str  # as in the ids: name of the corpus, the folder or the table
    kind: str  # name of the module that has read it, one of `names()`
    root: Path
    utterances: tuple[Utterance, ...]
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(
        default_factory=dict
    )  # lengths by id, from a list of utterances

    @property
    def title(self) -> str:
        """Full name of the corpus."""
        return str(module(self.kind).TITLE)

    @property
    def published(self) -> int | None:
        """Number of recordings in the published corpus, if known."""
        size: int | None = module(self.kind).SIZE
        return size


def names() -> tuple[str, ...]:
    """Names of all corpora that can be read, for ``--corpus``."""
    modules = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))
    return (*(name for name in modules if name not in _FIRST + _NO_CORPUS), *_FIRST, *_LAST)


def labels(name: str) -> Mapping[str, str | None]:
    """Native label → shared emotion of a corpus; empty for a corpus without a module."""
    mapping: Mapping[str, str | None] = module(name).LABELS if name in names() else {}
    return mapping


def module(name: str) -> ModuleType:
    """Import the module of a corpus.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in names():
        raise UsageError(f"no corpus is called {name!r}; known: {', '.join(names())}")
    return _import(name)


def recognise(tree: Tree) -> str:
    """Name of the corpus whose files a tree has.

    Raises:
        CorpusError: the tree contains no audio.
    """
    for name in sorted(names(), key=lambda name: name not in _FIRST):
        if recognises(name, tree):
            return name
    raise no_audio(tree)


def recognises(name: str, tree: Tree) -> bool:
    """Whether the files of a tree are those of the corpus `name`."""
    corpus = _import(name)
    if hasattr(corpus, "recognise"):
        return bool(corpus.recognise(tree))
    return mostly(tree, corpus.GRAMMAR)


def read(
    root: str | Path,
    name: str | None = None,
    pattern: str | None = None,
    follow_links: bool = False,
    table: str | None = None,
) -> Corpus:
    """Read the corpus at `root`.

    Args:
        root: a folder, a table, or a single recording.
        name: one of `names()`; None recognises the corpus.
        pattern: names the fields in the paths of a folder, see `data.corpora.folder`.
        follow_links: whether to read recordings outside of `root`.
        table: of an audformat database; None reads all tables of emotions.

    Raises:
        CorpusError: `root` does not contain the corpus.
        UsageError: the name is unknown, or the pattern is malformed.
    """
    if table is not None and (name not in (None, "audformat") or pattern is not None):
        raise UsageError("--table names a table of an audformat database; leave the others out")
    if pattern is not None and name not in (None, "folder"):
        raise UsageError(f"a pattern describes a folder, not {name!r}; leave one of the two out")
    if name is not None:
        module(name)  # an unknown name is an error before the files are listed
    tree = walk(Path(root), follow_links)
    if pattern is not None:
        kind, (utterances, warnings) = "folder", module("folder").read(tree, pattern)
    elif table is not None:
        kind, (utterances, warnings) = "audformat", module("audformat").read(tree, table)
    else:
        kind = name or recognise(tree)
        utterances, warnings = read_tree(kind, tree)
    utterances.sort(key=lambda utterance: utterance.id)
    languages: tuple[str, ...] = getattr(module(kind), "LANGUAGES", ())
    if len(languages) == 1:
        common = {"language": languages[0]}
        utterances = [replace(u, attributes={**common, **u.attributes}) for u in utterances]
    return Corpus(
        utterances[0].corpus, kind, Path(root), tuple(utterances), (*tree.warnings, *warnings)
    )


def read_tree(name: str, tree: Tree) -> Found:
    """Read the utterances of the corpus `name`, without a common language, and warnings.

    Raises:
        CorpusError: the tree does not contain the corpus.
    """
    corpus = _import(name)
    if hasattr(corpus, "read"):
        found: Found = corpus.read(tree)
        return found
    rows = corpus.rows(tree) if hasattr(corpus, "rows") else None
    optional = {hook: getattr(corpus, hook) for hook in ("fields", "name") if hasattr(corpus, hook)}
    values = getattr(corpus, "VALUES", {})
    return read_names(tree, name, corpus.GRAMMAR, values, rows=rows, **optional)


def read_all(
    roots: Sequence[str | Path],
    name: str | None = None,
    pattern: str | None = None,
    follow_links: bool = False,
    table: str | None = None,
) -> list[Corpus]:
    """Read several roots, or lists of utterances (``.jsonl``, see `data.listing`).

    A recording that is in two of them is read once.

    Raises:
        CorpusError: see `read`; or two different recordings have the same id.
    """
    corpora = []
    for root in roots:
        if Path(root).suffix == listing.SUFFIX and not module("lhotse").is_cuts(Path(root)):
            corpora += _listed(Path(root), follow_links)
        else:
            corpora += _apart(read(root, name, pattern, follow_links, table))
    return _each_once(corpora) if len(corpora) > 1 else corpora


def _apart(corpus: Corpus) -> list[Corpus]:
    """Separate the corpora of a data set that this program has written."""
    apart: dict[tuple[str, Path], list[Utterance]] = {}
    for utterance in corpus.utterances:
        apart.setdefault((utterance.corpus, utterance.root), []).append(utterance)
    if len(apart) == 1:
        return [corpus]
    parts = [
        replace(corpus, name=name, root=root, utterances=tuple(utterances), warnings=())
        for (name, root), utterances in apart.items()
    ]
    return [replace(parts[0], warnings=corpus.warnings), *parts[1:]]


def _listed(path: Path, follow_links: bool) -> list[Corpus]:
    """Read the corpora of a list of utterances."""
    listed: dict[tuple[str, Path], dict[str, Utterance]] = {}
    seconds: dict[str, float] = {}
    for utterance, length in listing.read(path, follow_links):
        corpus = listed.setdefault((utterance.corpus, utterance.root), {})
        if utterance.id in corpus:
            raise CorpusError(f"{path}: {utterance.id} occurs twice")
        corpus[utterance.id] = utterance
        if length is not None:
            seconds[utterance.id] = length
    if not listed:
        raise CorpusError(f"{path}: the list is empty")
    return [
        Corpus(
            name,
            name if name in names() else "folder",
            root,
            tuple(utterances[key] for key in sorted(utterances)),
            seconds={key: seconds[key] for key in utterances if key in seconds},
        )
        for (name, root), utterances in listed.items()
    ]


def _import(name: str) -> ModuleType:
    return importlib.import_module(f"data.corpora.{name.replace('-', '_')}")


def _each_once(corpora: list[Corpus]) -> list[Corpus]:
    places: set[tuple[object, ...]] = set()
    by_id: dict[str, Utterance] = {}
    result = []
    for corpus in corpora:
        kept, here = [], set()
        for utterance in corpus.utterances:
            place = _place(utterance)
            here.add(place)
            if place in places:
                continue
            if utterance.id in by_id:
                other = by_id[utterance.id].file
                raise CorpusError(
                    f"two recordings have the id {utterance.id}: {other} and {utterance.file}; "
                    "leave one corpus out, or rename its folder if they are different corpora"
                )
            by_id[utterance.id] = utterance
            kept.append(utterance)
        places |= here
        again = len(corpus.utterances) - len(kept)
        note = (f"utterances that an earlier root contains, read once: {again}",)
        if kept:
            warnings = corpus.warnings + (note if again else ())
            result.append(replace(corpus, utterances=tuple(kept), warnings=warnings))
    return result


def _place(utterance: Utterance) -> tuple[object, ...]:
    """Identity of an utterance, which is equal for two names of one recording."""
    try:
        status = os.stat(utterance.file)
    except OSError:  # a list may contain recordings of other machines
        return utterance.file, utterance.start, utterance.end
    return status.st_dev, status.st_ino, utterance.start, utterance.end
