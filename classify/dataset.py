"""The utterances of a run: features, classes or numbers, and speakers."""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.features import Features, Matrix, normalized_within
from classify.heads import regressor_path
from classify.heard import marked
from classify.options import EMOTION_TARGETS, Options
from data.cache import Cache
from data.cache.by_fold import TUNED_FOLD, FoldedCache, open_cache
from data.cache.columns import number_as_text
from data.cache.file import require_sound
from data.cache.recipe import Recipe, in_words
from data.emotions import parse_labels, to_shared
from data.errors import UsageError
from data.text import several

log = logging.getLogger("wav2emo")

MANY = 8  # values; a message does not list more
MOST_CLASSES = 10  # a numeric column with more different values contains quantities


@dataclass(frozen=True)
class Selection:
    """The utterances of a cache with a known target, sorted by id.

    The target is a class, or one or more numbers.
    """

    utterances: pd.DataFrame  # their rows of the cache's table
    rows: npt.NDArray[np.intp]  # (utterance,) row of the cache
    y: npt.NDArray  # (utterance,) integer number of the class, or (utterance, target) float64
    classes: tuple[str, ...]  # sorted; empty: numbers
    targets: tuple[str, ...]  # columns of the numbers; empty: classes
    left_out: pd.DataFrame | None = field(default=None, kw_only=True)  # other rows of the cache

    def part(self, rows: npt.NDArray[np.intp]) -> Self:
        """Some of the utterances, by their rows of this selection; the classes are the same."""
        utterances = self.utterances.iloc[rows].reset_index(drop=True)
        return replace(self, utterances=utterances, rows=self.rows[rows], y=self.y[rows])

    @property
    def truth(self) -> npt.NDArray:
        """(utterance,) name of the class, or (utterance, target) numbers."""
        return np.array(self.classes)[self.y] if self.classes else self.y

    @property
    def strata(self) -> npt.NDArray[np.intp]:
        """(utterance,) class by which folds are stratified; 0 without classes."""
        return self.y if self.classes else np.zeros(len(self.y), np.intp)

    @cached_property
    def speakers(self) -> npt.NDArray[np.object_]:
        """(utterance,) corpus and speaker; a speaker's name is only unique within the corpus."""
        return (self.utterances["corpus"] + "/" + self.utterances["speaker"]).to_numpy(object)

    @cached_property
    def speakers_known(self) -> bool:
        return bool((self.utterances["speaker"] != "").all())

    @property
    def tuned_fold(self) -> npt.NDArray[np.intp] | None:
        """(utterance,) fold whose encoder was not fine-tuned on its speaker; None: there is one
        encoder for all folds."""
        column = self.utterances.get(TUNED_FOLD)
        return None if column is None else column.to_numpy(np.intp)

    def with_own_classes(self) -> Self:
        """The same without classes that no utterance has."""
        if not self.classes:
            return self
        kept, y = np.unique(self.y, return_inverse=True)
        return replace(self, y=y, classes=tuple(self.classes[number] for number in kept))

    @property
    def corpora(self) -> dict[str, int]:
        """Corpus → its utterances."""
        return dict(sorted(Counter(self.utterances["corpus"]).items()))


@dataclass(frozen=True)
class Dataset(Selection):
    """A selection with its features."""

    X: Matrix  # (utterance, step · dim); NaN after the last step of a sequence
    features: Features
    parameters: dict[str, Any]  # parameters by which a neural head reads X
    recipe: dict[str, Any]
    fingerprint: str
    encoder_location: str | None  # folder of the encoder
    by_fold: tuple[Matrix, ...] = ()  # X by the encoder of each fold, where there are several
    locations: tuple[str | None, ...] = ()  # their folders

    def part(self, rows: npt.NDArray[np.intp]) -> Self:
        by_fold = tuple(X[rows] for X in self.by_fold)
        return replace(super().part(rows), X=self.X[rows], by_fold=by_fold)

    @property
    def encoder(self) -> str:
        """Name, precision and engine of the encoder, as text."""
        return in_words(self.described)

    def of_fold(self, number: int) -> "Dataset":
        """The same by the encoder of a fold."""
        if not self.by_fold:
            return self
        X, location = self.by_fold[number], self.locations[number]
        return replace(self, X=X, encoder_location=location, by_fold=(), locations=())

    @property
    def described(self) -> Recipe:
        """The recipe for the description of results, see `classify.heard.marked`."""
        return marked(self.recipe, self.utterances)


def load(options: Options, folds: bool = True) -> Dataset:
    """Read the utterances that `options` select from a cache; log how many are left out, and why.

    Several columns joined by commas are regressed, and so is one with a comma after it. One column
    is regressed if it is numeric and has more than 10 different values; the log states the
    decision.

    Args:
        options: the cache, its corpora, the target and its classes, the features.
        folds: whether the utterances will be divided by speaker. Utterances of unknown speakers are
            then left out if other speakers are known, since their speaker could be in another part.

    Raises:
        CacheError: the cache does not exist or is damaged.
        UsageError: the cache lacks what the options require, or contains only one class or too few
            numbers; or the head cannot regress.
    """
    with sound(options.cache) as cache:
        log_kind(cache.utterances, options)
        return with_features(select(cache.utterances, options, folds), options, cache)


@contextlib.contextmanager
def sound(path: Path, degraded: bool = False) -> Iterator[Cache]:
    """Open a cache, see `open_cache`, and verify the checksums of its files.

    Raises:
        CacheError: the cache does not exist or is damaged.
    """
    with open_cache(path, degraded) as cache:
        yield verified(cache)


def verified(cache: Cache) -> Cache:
    """The cache, if the checksums of its files are right.

    Raises:
        CacheError: it is damaged.
    """
    for one in cache.caches if isinstance(cache, FoldedCache) else [cache]:
        for file in one.files:
            require_sound(file)
    return cache


def with_features(chosen: Selection, options: Options, cache: Cache) -> Dataset:
    """Read the features that `options` name, or the defaults of their head, from a verified cache.

    Raises:
        UsageError: the cache lacks the features.
    """
    features = Features.chosen(options, cache)
    folded = isinstance(cache, FoldedCache)
    caches = cache.caches if isinstance(cache, FoldedCache) else [cache]
    read = [features.of_cache(one, chosen.rows) for one in caches]
    parameters = features.parameters(read[0], cache.dim)
    if options.normalize == "speaker":
        grouping(chosen.utterances, "speaker", "--normalize speaker", "--normalize global")
        kept = parameters["layers"], parameters["steps"]
        read = [normalized_within(X, chosen.speakers, *kept) for X in read]
    return Dataset(
        **{each.name: getattr(chosen, each.name) for each in fields(Selection)},
        X=read[0],
        by_fold=tuple(read) if folded else (),
        locations=tuple(one.provenance.get("location") for one in caches) if folded else (),
        features=features,
        parameters=parameters,
        recipe=cache.recipe,
        fingerprint=cache.fingerprint,
        encoder_location=cache.provenance.get("location"),
    )


def require_classes(table: pd.DataFrame, options: Options) -> None:
    """Refuse a target of numbers."""
    if has_numbers(table, options):
        raise UsageError(
            f"--target {options.target} holds numbers, and this command needs classes; "
            f"'python -m classify --target {options.target}' regresses them"
        )


def has_numbers(table: pd.DataFrame, options: Options) -> bool:
    """Whether ``--target`` is regressed: it contains a comma, or names a column of quantities."""
    return "," in options.target or (
        options.target in table and is_quantity(of_corpora(table, options)[options.target])
    )


def log_kind(table: pd.DataFrame, options: Options) -> None:
    """Log whether a numeric column is used as classes or as numbers, and how to change that."""
    column = table.get(options.target)
    if column is None or not pd.api.types.is_numeric_dtype(column):
        return
    regressed = has_numbers(table, options)
    log.info(
        "%s holds %d different numbers: %s%s",
        options.target,
        of_corpora(table, options)[options.target].nunique(),
        "regressed" if regressed else "taken as classes",
        "" if regressed else f"; --target {options.target}, (with a comma) regresses it",
    )


def is_quantity(column: pd.Series) -> bool:
    """Whether a column holds quantities: it is numeric and has more than 10 different values.

    A column with fewer values is treated as classes, such as sessions.
    """
    return pd.api.types.is_numeric_dtype(column) and column.nunique() > MOST_CLASSES


def select(utterances: pd.DataFrame, options: Options, folds: bool = True) -> Selection:
    """Select utterances from the table of a cache; see `load`."""
    table = of_corpora(utterances, options)
    why = pd.Series("", table.index)  # each is left out; "": it is kept
    if folds and (table["speaker"] != "").any():
        why[table["speaker"] == ""] = "without a speaker"
    if has_numbers(utterances, options):
        chosen, y, classes = _with_numbers(table, options, why)
    else:
        chosen, y, classes = _with_classes(table, options, why)
    rows = chosen.index.to_numpy()
    return Selection(
        utterances=chosen.reset_index(drop=True),
        rows=rows,
        y=y,
        classes=classes,
        targets=() if classes else options.targets,
        left_out=utterances[["id", "corpus", "path"]].drop(rows),
    )


Target = tuple[pd.DataFrame, npt.NDArray, tuple[str, ...]]  # the utterances, y and classes


def _with_classes(table: pd.DataFrame, options: Options, why: pd.Series) -> Target:
    labels = _labels(table, options)
    native = as_text(table[options.target])
    why[labels == ""] = "of no class"
    why[native == ""] = f"without {options.target}"
    _warn_left_out(why)
    chosen, labels = table[why == ""], labels[why == ""]
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise UsageError(
            f"{options.cache}: {several(len(chosen), 'utterance')} of "
            f"{_listed(classes) or 'no class'}; expected two classes or more. "
            f"Column {options.target} holds: {_listed(sorted(set(native) - {''})) or 'nothing'}"
        )
    return chosen, np.searchsorted(np.array(classes), labels.to_numpy(str)), classes


def _with_numbers(table: pd.DataFrame, options: Options, why: pd.Series) -> Target:
    regressor_path(options.head)
    _require_numeric(table, options)
    for name in reversed(options.targets):  # the message names the first missing column
        why[~np.isfinite(table[name])] = f"without {name}"
    _warn_left_out(why)
    chosen = table[why == ""]
    if len(chosen) < 2:
        raise UsageError(
            f"{options.cache}: {len(chosen)} utterances have a number of {options.target}; "
            "expected two or more"
        )
    return chosen, chosen[list(options.targets)].to_numpy(np.float64), ()


def _require_numeric(table: pd.DataFrame, options: Options) -> None:
    numeric = [name for name in table if pd.api.types.is_numeric_dtype(table[name])]
    known = ", ".join(name for name in numeric if table[name].notna().any())
    for name in options.targets:
        if name not in table:
            raise UsageError(
                f"--target {options.target}: {options.cache} has no column {name}; its numeric "
                f"columns are {known}"
            )
        if name not in numeric:
            example = next(filter(None, table[name]), "")
            raise UsageError(
                f"--target {options.target}: {name} is text ({example!r}) and cannot be regressed; "
                f"the numeric columns of {options.cache} are {known}"
            )


def of_corpora(table: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Rows of the corpora of `options`."""
    stored = sorted(set(table["corpus"]))
    unknown = [name for name in options.corpora if name not in stored]
    if unknown:
        raise UsageError(f"--corpus {','.join(unknown)}: {options.cache} holds {_listed(stored)}")
    return table[table["corpus"].isin(options.corpora)] if options.corpora else table


def _labels(table: pd.DataFrame, options: Options) -> pd.Series:
    """(utterance,) class, or ""."""
    if options.target not in table:
        raise UsageError(
            f"--target {options.target}: {options.cache} has the columns {', '.join(table)}"
        )
    values = as_text(table[options.target])
    if options.target not in EMOTION_TARGETS:
        return values
    pairs = sorted(set(zip(table["corpus"], values, strict=True)))
    known = {shared for pair in pairs if (shared := to_shared(*pair))}
    mapped = parse_labels(options.labels, known).apply(list(table["corpus"]), list(values))
    return pd.Series([label or "" for label in mapped], table.index)


def as_text(column: pd.Series) -> pd.Series:
    """Convert a column to text; unknown values (None, NaN, NaT) become "", and 1.0 becomes 1.

    Different values have different texts.
    """
    numeric = pd.api.types.is_numeric_dtype(column)
    texts = [
        "" if pd.isna(value) else number_as_text(value) if numeric else str(value)
        for value in column.tolist()
    ]
    return pd.Series(texts, column.index, str, column.name)


def texts(table: pd.DataFrame, name: str) -> npt.NDArray[np.object_]:
    """(utterance,) a column by `as_text`; "" for all if the table lacks it."""
    if name not in table:
        return np.full(len(table), "", object)
    return as_text(table[name]).to_numpy(object)


def grouping(table: pd.DataFrame, column: str, purpose: str, instead: str) -> npt.NDArray[np.str_]:
    """(utterance,) text of a column by which utterances are grouped.

    Args:
        table: the utterances.
        column: its name.
        purpose: the option that needs the groups, for the message.
        instead: what to do if a value is unknown, for the message.

    Raises:
        UsageError: some utterances have no value.
    """
    values = texts(table, column).astype(str)
    unknown = np.flatnonzero(values == "")
    if len(unknown):
        raise UsageError(
            f"{purpose}: the {column}s of some utterances are unknown (column {column}, "
            f"{len(unknown)} of {len(table)} utterances, such as {table['id'].iloc[unknown[0]]}): "
            f"add them to the corpus and extract again, or ask for {instead}"
        )
    return values


def _warn_left_out(why: pd.Series) -> None:
    """Log how many utterances are left out, by reason ("" for those that are kept)."""
    reasons = Counter(reason for reason in why if reason)
    if reasons:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        log.warning("left out %d of %d utterances: %s", sum(reasons.values()), len(why), counts)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more
