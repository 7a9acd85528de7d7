"""Compute the matrix of corpora."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from classify.dataset import Dataset, Selection, require_classes, select, sound, with_features
from classify.evaluation.crossvalidate import learning_from
from classify.evaluation.division import is_given
from classify.evaluation.folds import SCHEMES
from classify.evaluation.run import new_head
from classify.features import Features
from classify.features import Matrix as Values
from classify.heads import find, naming
from classify.heads.linear.batched import DEFAULT_C
from classify.heard import marked, require_unheard
from classify.normalize import by_speaker
from classify.stats.metrics import confusions, uar
from classify.transfer import fits
from classify.transfer.cells import ACROSS, OTHER_LANGUAGES, OTHERS, Cell, Matrix, matrix
from classify.transfer.options import BALANCED, NORMALIZED, PLAIN, TransferOptions
from classify.transfer.result import Alignment, LayerCurve, Run, Tested, Transfer
from classify.transfer.shift import class_means_alignment
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.cache.recipe import in_words
from data.errors import UsageError

log = logging.getLogger("wav2emo")

Cells = Sequence[Cell]


def transfer(options: TransferOptions) -> Transfer:
    """Train on each corpus and test on each other; within each by speaker-independent folds.

    Raises:
        CacheError, UsageError: a cache does not exist, or lacks what the options require.
        HeadError: a head cannot be fitted.
    """
    if is_given(options.folds):
        known = ", ".join(SCHEMES)
        raise UsageError(f"--folds {options.folds}: expected {known} or a number, for each corpus")
    with contextlib.ExitStack() as opened:
        caches = [opened.enter_context(sound(path)) for path in options.caches]
        first = options.of(options.heads[0], options.caches[0])
        for cache in caches:
            if isinstance(cache, FoldedCache):
                raise UsageError(
                    f"--cache {cache.path}: it has an encoder per fold, and a transfer needs one; "
                    "name a cache in there"
                )
        require_classes(caches[0].utterances, first)
        selections = _same([select(cache.utterances, first) for cache in caches], options)
        for selection in selections:
            require_unheard(selection.utterances, options.allow_heard)
        found = matrix(selections[0], options.by, options.folds, options.seed, options.only)
        encoders = [
            _Encoder(options, cache, selection, found)
            for cache, selection in zip(caches, selections, strict=True)
        ]
        runs = [run for encoder in encoders for run in encoder.runs()]
        names = [in_words(one.cache.recipe) for one in encoders]
        if len(set(names)) < len(names):  # the same encoder twice, such as with other layers
            names = [
                f"{name} ({path.name})" for name, path in zip(names, options.caches, strict=True)
            ]
        each = zip(names, encoders, strict=True)
        curves = {name: one.curve() for name, one in each if one.has_curve}
        return Transfer(
            options, selections[0], found, tuple(runs), curves, tuple(encoders[0].alignments())
        )


def _same(selections: Sequence[Selection], options: TransferOptions) -> list[Selection]:
    """The utterances that all caches have, with their rows in each.

    Raises:
        UsageError: there are none, or an utterance has other audio in another cache.
    """
    shared = set.intersection(*({*one.utterances["id"]} for one in selections))
    if not shared:
        names = ", ".join(map(str, options.caches))
        raise UsageError(f"--cache: {names} have no utterance with the same id")
    kept = []
    for one, path in zip(selections, options.caches, strict=True):
        mask = one.utterances["id"].isin(shared).to_numpy(bool)
        if left := int((~mask).sum()):
            log.warning("%s: left out %d utterances that another cache lacks", path, left)
        rows = np.flatnonzero(mask)
        order = np.argsort(one.utterances["id"].to_numpy(str)[rows], kind="stable")
        kept.append(one.part(rows[order]).with_own_classes())
    for other, path in zip(kept[1:], options.caches[1:], strict=True):
        if (other.utterances["sha256"].to_numpy() != kept[0].utterances["sha256"].to_numpy()).any():
            raise UsageError(
                f"--cache {path}: it has other audio under the same ids than {options.caches[0]}; "
                "extract both from the same files"
            )
    return kept


@dataclass(frozen=True)
class _Encoder:
    """Fits on the embeddings of one cache."""

    options: TransferOptions
    cache: Cache
    selection: Selection
    matrix: Matrix

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the matrix."""
        return self.matrix.cells

    @property
    def has_curve(self) -> bool:
        """Whether each layer is scored: it is by linear heads, which fit all in one batch."""
        return self.options.curves and self.options.heads[0] in DEFAULT_C

    def runs(self) -> Iterator[Run]:
        """Every head and every way to treat the shift, each by itself."""
        for head in self.options.heads:
            data = self._data(head)
            plain: list[Tested] = []
            for shift in self.options.shifts:
                with naming(head, data.features), learning_from(len(data.y)):
                    outputs = self._outputs(head, data, shift, plain)
                tested = [
                    one if isinstance(one, Tested) else Tested.of(cell, self.selection, one)
                    for cell, one in zip(self.cells, outputs, strict=True)
                ]
                plain = plain or tested
                recipe = marked(self.cache.recipe, self.selection.utterances)
                yield Run(recipe, self.cache.fingerprint, head, str(data.features), shift,
                          tuple(tested))  # fmt: skip

    def _data(self, head: str) -> Dataset:
        return with_features(self.selection, self.options.of(head, self.cache.path), self.cache)

    def _outputs(
        self, head: str, data: Dataset, shift: str, plain: list[Tested]
    ) -> list[fits.Probabilities | Tested]:
        """Probabilities of each cell; its result without anything where the shift changes
        nothing."""
        if shift == PLAIN:
            return [*self._fit(head, data, data.X, data.y, self.cells)]
        if shift == NORMALIZED:
            steps = data.parameters["layers"], data.parameters["steps"]
            X = by_speaker(data.X, self.matrix.domain.astype(str), *steps)
            return [*self._fit(head, data, X, data.y, self.cells)]
        if shift == BALANCED:
            chosen = [cell.kind in (OTHERS, OTHER_LANGUAGES) for cell in self.cells]
        else:
            chosen = [len(cell.parts) == 1 for cell in self.cells]
        some = [cell for cell, holds in zip(self.cells, chosen, strict=True) if holds]
        if shift == BALANCED:
            unfitted = new_head(self.options.of(head, self.cache.path), data)
            found = fits.balanced(
                unfitted, data.X, data.y, self.matrix.domain, len(data.classes), some
            )
        elif shift == "coral":
            if data.parameters["steps"] > 1 or np.isnan(data.X).any():
                raise UsageError(f"--adapt coral: --head {head} reads steps; it is for one layer")
            found = fits.aligned(partial(self._fit, head, data), data.X, data.y, some)
        else:
            fitted = self._fit(head, data, data.X, data.y, some)
            each = zip(some, fitted, strict=True)
            found = [fits.corrected(cell, data.y, one) for cell, one in each]
        done = iter(found)
        return [next(done) if holds else plain[n] for n, holds in enumerate(chosen)]

    def _fit(
        self, head: str, data: Dataset, X: Values, y: npt.NDArray[np.intp], cells: Cells
    ) -> list[fits.Probabilities]:
        if head in DEFAULT_C:
            return fits.linear(head, self.options.C, X, y, len(data.classes), cells)
        unfitted = new_head(self.options.of(head, self.cache.path), data)
        return fits.plain(unfitted, X, y, len(data.classes), cells)

    def curve(self) -> LayerCurve:
        """UAR of each layer in each cell."""
        head, rows = self.options.heads[0], self.selection.rows
        poolings = self.options.poolings or self.cache.poolings
        scores = []
        for layer in self.cache.layers:
            features = Features(layer, (layer,), poolings)
            X = features.of_cache(self.cache, rows)
            with naming(head, features):
                found = fits.linear(
                    head, self.options.C, X, self.selection.y, len(self.selection.classes),
                    self.cells,
                )  # fmt: skip
            scores.append([self._uar(*each) for each in zip(self.cells, found, strict=True)])
        return LayerCurve(self.cache.layers, np.array(scores))

    def _uar(self, cell: Cell, probabilities: fits.Probabilities) -> float:
        truth = np.searchsorted(cell.classes, self.selection.y[cell.rows])
        one = np.zeros(len(truth), np.intp)
        counts = confusions(truth, probabilities.argmax(1)[None], one, len(cell.classes))
        return float(uar(counts[0, 0]))

    def alignments(self) -> Iterator[Alignment]:
        """Similarity of the class means of each two corpora, standardised by corpus."""
        head = next((name for name in self.options.heads if not find(name).neural), None)
        if head is None:
            return
        data = self._data(head)
        X = by_speaker(data.X, self.matrix.domain.astype(str), 1, 1)
        pairs = {tuple(sorted((cell.trained, cell.tested))): cell for cell in self.cells
                 if cell.kind == ACROSS}  # fmt: skip
        for (first, second), cell in sorted(pairs.items()):
            means = []
            for name in (first, second):
                rows = np.concatenate([*cell.parts[0]])
                own = rows[self.matrix.domain[rows] == self.matrix.domains.index(name)]
                means.append([X[own[data.y[own] == number]].mean(0) for number in cell.classes])
            a, b = map(np.array, means)
            values = class_means_alignment(a, b, self.options.seed)
            if not np.isnan(values[0]):
                yield Alignment(first, second, len(cell.classes), *values)
