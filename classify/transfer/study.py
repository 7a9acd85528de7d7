"""Compute the matrix of corpora."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import signature

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from classify.dataset import Dataset, Selection, require_classes, select, sound, with_features
from classify.evaluation.crossvalidate import converging, learning_from
from classify.evaluation.division import is_given
from classify.evaluation.folds import SCHEMES
from classify.evaluation.run import new_head
from classify.features import Matrix as Features
from classify.features import normalized_within
from classify.heads import find, naming
from classify.heads.probabilities import probabilities
from classify.heard import marked, require_unheard
from classify.options import Options
from classify.studies.fits import Output, is_batched, predict_parts
from classify.transfer.cells import ACROSS, Matrix, matrix
from classify.transfer.options import BALANCED, CORAL, NORMALIZED, PLAIN, PRIOR, TransferOptions
from classify.transfer.result import Alignment, LayerCurve, Run, Tested, Transfer
from classify.transfer.shift import class_means_alignment, coral, prior_shift
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.cache.recipe import in_words
from data.errors import UsageError

log = logging.getLogger("wav2emo")


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
        found = matrix(selections[0], options)
        encoders = [
            Encoder(options, cache, selection, found)
            for cache, selection in zip(caches, selections, strict=True)
        ]
        runs = [run for encoder in encoders for run in encoder.runs()]
        names = [in_words(cache.recipe) for cache in caches]
        if len(set(names)) < len(names):  # the same encoder twice, such as with other layers
            names = [
                f"{name} ({path.name})" for name, path in zip(names, options.caches, strict=True)
            ]
        curves = {}
        if options.curves and is_batched(first):  # all layers take seconds
            curves = {name: one.curve() for name, one in zip(names, encoders, strict=True)}
        alignments = tuple(encoders[0].alignments())
        return Transfer(options, selections[0], found, tuple(runs), curves, alignments)


def _same(selections: Sequence[Selection], options: TransferOptions) -> list[Selection]:
    """The utterances that all caches have, with their rows in each.

    Raises:
        UsageError: there are none, or an utterance has other audio in another cache.
    """
    shared = sorted(set.intersection(*({*one.utterances["id"]} for one in selections)))
    if not shared:
        names = ", ".join(map(str, options.caches))
        raise UsageError(f"--cache: {names} have no utterance with the same id")
    kept = []
    for one, path in zip(selections, options.caches, strict=True):
        if left := len(one.y) - len(shared):
            log.warning("%s: left out %d utterances that another cache lacks", path, left)
        rows = pd.Index(one.utterances["id"]).get_indexer(shared)
        kept.append(one.part(rows).with_own_classes())
    for other, path in zip(kept[1:], options.caches[1:], strict=True):
        if (other.utterances["sha256"].to_numpy() != kept[0].utterances["sha256"].to_numpy()).any():
            raise UsageError(
                f"--cache {path}: it has other audio under the same ids than {options.caches[0]}; "
                "extract both from the same files"
            )
    return kept


@dataclass(frozen=True)
class Encoder:
    """Fits on the embeddings of one cache."""

    options: TransferOptions
    cache: Cache
    selection: Selection
    matrix: Matrix

    def runs(self) -> Iterator[Run]:
        """Every head and every way to treat the shift, each by itself."""
        recipe = marked(self.cache.recipe, self.selection.utterances)
        for head in self.options.heads:
            data = self._data(head)
            plain: list[Output] = []
            for shift in self.options.shifts:
                with naming(head, data.features), learning_from(len(data.y)):
                    outputs = self._outputs(head, data, shift, plain)
                plain = plain or outputs
                each = zip(self.matrix.cells, outputs, strict=True)
                tested = tuple(Tested.of(cell, self.selection, output) for cell, output in each)
                yield Run(recipe, self.cache.fingerprint, head, str(data.features), shift, tested)

    def _data(self, head: str) -> Dataset:
        return with_features(self.selection, self._of(head), self.cache)

    def _of(self, head: str) -> Options:
        return self.options.of(head, self.cache.path)

    def _outputs(
        self, head: str, data: Dataset, shift: str, plain: Sequence[Output]
    ) -> list[Output]:
        """Probabilities (tested utterance, class of the cell) of each cell; `plain` are those
        without anything, which stay where the shift changes nothing."""
        if shift == PLAIN:
            return self.fit(head, data)
        if shift == NORMALIZED:
            return self.fit(head, replace(data, X=self._standardised(data)))
        unfitted = new_head(self._of(head), data)
        if shift == BALANCED and "sample_weight" not in signature(unfitted.fit).parameters:
            raise UsageError("--balance corpus: the head takes no weights; --heads logreg does")
        if shift == CORAL and (data.parameters["steps"] > 1 or np.isnan(data.X).any()):
            raise UsageError(f"--adapt coral: --head {head} reads steps; it is for one layer")
        found = [*plain]
        for place, cell in enumerate(self.matrix.cells):
            if len(cell.parts) > 1:
                continue
            alone, [(train, test)] = cell.alone(data)
            if shift == PRIOR:
                shares = np.bincount(alone.y[train]) / len(train)
                found[place] = prior_shift(plain[place], shares)[0]
            elif shift == CORAL:
                X = alone.X.copy()
                X[train], X[test] = coral(X[train], X[test])
                moved = replace(alone, X=X)
                (found[place],) = predict_parts(self._of(head), moved, [(train, test)])
            elif cell.kind != ACROSS:  # several corpora are trained on
                domain = self.matrix.domain[cell.parts[0][0]]
                weights = compute_sample_weight("balanced", domain)
                with threadpool_limits(1), converging(unfitted):
                    fitted = clone(unfitted)
                    fitted.fit(alone.X[train], alone.y[train], sample_weight=weights)
                found[place] = probabilities(fitted, alone.X[test])
        return found

    def fit(self, head: str, data: Dataset) -> list[Output]:
        """Probabilities of each cell: those with one part are fitted together, unless the head
        needs all classes in training, and the folds of a corpus without the other utterances, which
        would only cost time."""
        options, cells = self._of(head), self.matrix.cells
        together = [len(cell.parts) == 1 and not find(head).neural for cell in cells]
        parts = [cell.parts[0] for cell, holds in zip(cells, together, strict=True) if holds]
        outputs = iter(predict_parts(options, data, parts) if parts else ())
        return [
            next(outputs)[:, cell.classes]
            if holds
            else np.concatenate(predict_parts(options, *cell.alone(data)))
            for cell, holds in zip(cells, together, strict=True)
        ]

    def curve(self) -> LayerCurve:
        """UAR of each layer in each cell, by the first head."""
        head, y, scores = self.options.heads[0], self.selection.y, []
        for layer in self.cache.layers:
            options = replace(self._of(head), layer=layer)
            outputs = self.fit(head, with_features(self.selection, options, self.cache))
            each = zip(self.matrix.cells, outputs, strict=True)
            scores.append([cell.uar(y, output) for cell, output in each])
        return LayerCurve(self.cache.layers, np.array(scores))

    def _standardised(self, data: Dataset) -> Features:
        """The features standardised by each corpus."""
        steps = data.parameters["layers"], data.parameters["steps"]
        return normalized_within(data.X, self.matrix.domain.astype(str), *steps)

    def alignments(self) -> Iterator[Alignment]:
        """Similarity of the class means of each two corpora, standardised by corpus."""
        head = next((name for name in self.options.heads if not find(name).neural), None)
        if head is None:
            return
        data = self._data(head)
        X, names = self._standardised(data), self.matrix.domains
        pairs = {tuple(sorted((cell.trained, cell.tested))): cell for cell in self.matrix.cells
                 if cell.kind == ACROSS}  # fmt: skip
        for (first, second), cell in sorted(pairs.items()):
            rows = np.concatenate(cell.parts[0])
            domain = self.matrix.domain[rows]
            one, other = (
                np.array([X[own[data.y[own] == number]].mean(0) for number in cell.classes])
                for own in (rows[domain == names.index(name)] for name in (first, second))
            )
            values = class_means_alignment(one, other, self.options.seed)
            if not np.isnan(values[0]):
                yield Alignment(first, second, len(cell.classes), *values)
