"""Fit heads to the training part of each fold, and predict its test part in all conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from classify.conditions import Copies
from classify.dataset import Dataset, with_features
from classify.evaluation.crossvalidate import Parts, fit_parts, learning_from
from classify.evaluation.folds import Folds, Rows, inner_folds
from classify.evaluation.run import new_head
from classify.features import Features, Matrix
from classify.heads import naming
from classify.heads.linear.batched import DEFAULT_C, Problems, weights
from classify.options import Options
from classify.stats.metrics import confusions, uar
from data.cache import Cache

Probabilities = npt.NDArray[np.float32]  # (sample, class); NaN: it is not tested

LOGMEL = "logmel"


@dataclass(frozen=True)
class Design:
    """What is trained on and tested in each fold: samples of some utterances."""

    copies: Copies
    folds: Folds
    tested: tuple[str, ...]  # conditions

    def parts(self, trained: Sequence[str] = ()) -> Parts:
        """Samples to train on, clean ones and those of some conditions, and to test."""
        samples, tested = self.copies.samples, self.tested
        return [
            (samples(train, trained), samples(test, tested)) for train, test in self.folds.parts
        ]

    def inner(self, seed: int, trained: Sequence[str] = ()) -> tuple[list[int], Parts, str]:
        """Folds of the training part of each fold: its number, the samples as of `parts`, and a
        description."""
        selection, samples = self.copies.selection, self.copies.samples
        by = "speaker" if self.folds.by_speaker else ""
        numbers, parts, kinds = [], [], set()
        for number, (rows, _) in enumerate(self.folds.parts):
            inner, kind = inner_folds(selection.y[rows], selection.speakers[rows], by, seed)
            parts += [
                (samples(rows[train], trained), samples(rows[test], self.tested))
                for train, test in inner
            ]
            numbers += [number] * len(inner)
            kinds.add(kind)
        return numbers, parts, " or ".join(sorted(kinds))

    def joined(self, outputs: Sequence[npt.NDArray]) -> Probabilities:
        """The outputs of all test parts, of all samples."""
        found = np.full((len(self.copies), outputs[0].shape[1]), np.nan, np.float32)
        for (_, test), output in zip(self.parts(), outputs, strict=True):
            found[test] = output
        return found


def dataset(options: Options, copies: Copies, cache: Cache) -> Dataset:
    """All samples with the features of a head."""
    return with_features(copies.as_selection(), options, cache)


def of_head(
    options: Options, data: Dataset, design: Design, trained: Sequence[str] = ()
) -> Probabilities:
    """Probabilities of each test part by a head that is trained on clean speech, and on some
    conditions beside it."""
    parts = design.parts(trained)
    with naming(options.head, data.features):
        if options.head in DEFAULT_C:
            found = linear(options.head, options.C, data.X, data.y, len(data.classes), parts)
            return design.joined(found)
        (fits,) = fit_parts((new_head(options, data),), data, parts)
        return design.joined([fit.output for fit in fits])


def of_baseline(head: str, C: float | None, design: Design, cache: Cache) -> Probabilities:
    """The same by features without a model."""
    copies, X = design.copies, cache.baseline(LOGMEL)[design.copies.row]
    with naming(head, LOGMEL):
        found = linear(head, C, X, copies.y, len(copies.selection.classes), design.parts())
        return design.joined(found)


def linear(
    head: str,
    C: float | npt.NDArray[np.float64] | None,
    X: Matrix,
    y: Rows,
    classes: int,
    parts: Parts,
) -> list[npt.NDArray[np.float32]]:
    """Probabilities (tested sample, class) of each part by a linear head, fitted in one batch.

    Args:
        head: of `DEFAULT_C`.
        C: inverse strength of regularisation, of all or each; None: the head's own.
        X: (sample, dim).
        y: (sample,) class numbers.
        classes: how many there are.
        parts: samples to train on, and to test, sorted.
    """
    used = np.unique(np.concatenate([train for train, _ in parts]))
    masks = np.zeros((len(parts), len(used)), bool)
    tests = np.zeros((len(parts), len(X)), bool)
    for mask, tested, (train, test) in zip(masks, tests, parts, strict=True):
        mask[np.searchsorted(used, train)] = True
        tested[test] = True
    with learning_from(int(masks.sum(1).min())):
        strength = DEFAULT_C[head] if C is None else C
        found = weights(head, X[used], Problems(masks, y[used], classes, strength))
    of_features, intercepts = found[0], found[1].astype(np.float32)
    outputs = [np.empty((len(test), classes), np.float32) for _, test in parts]
    alike = np.unique(np.packbits(tests, axis=0), axis=1, return_inverse=True)[1].ravel()
    for rows in np.split(np.argsort(alike, kind="stable"), np.cumsum(np.bincount(alike))[:-1]):
        those = np.flatnonzero(tests[:, rows[0]]).tolist()  # parts that test these samples
        if not len(those):
            continue
        logits = X[rows] @ of_features[those].reshape(-1, X.shape[1]).T
        for number, some in zip(those, np.split(logits, len(those), axis=1), strict=True):
            of_part = some + intercepts[number]
            shares = np.exp(of_part - of_part.max(1, keepdims=True))
            place = np.searchsorted(parts[number][1], rows)
            outputs[number][place] = shares / shares.sum(1, keepdims=True)
    return outputs


@dataclass(frozen=True)
class LayerFits:
    """Every layer, and the one that each training part chooses."""

    layers: tuple[int, ...]
    probabilities: npt.NDArray[np.float32]  # (layer, sample, class)
    inner: npt.NDArray[np.float64]  # (layer, fold) mean UAR over the conditions, inner folds
    kind: str  # of the inner folds, as text

    @property
    def chosen(self) -> Rows:
        """(fold,) place of the layer with the highest mean; of equal ones the lowest."""
        return self.inner.argmax(0)

    def by_choice(self, design: Design) -> Probabilities:
        """The predictions of the layer that each training part chooses."""
        parts = design.parts()
        outputs = [
            self.probabilities[layer, test]
            for layer, (_, test) in zip(self.chosen, parts, strict=True)
        ]
        return design.joined(outputs)


def of_layers(options: Options, design: Design, cache: Cache) -> LayerFits:
    """Fit a linear head to each layer.

    In each training part, folds of its speakers give every layer a mean UAR over the conditions:
    trained on clean speech of some, tested in all conditions of the others.
    """
    copies, y = design.copies, design.copies.y
    classes = len(copies.selection.classes)
    numbers, inner, kind = design.inner(options.seed)
    parts = [*design.parts(), *inner]
    probabilities, scores = [], []
    for layer in cache.layers:
        features = Features.chosen(replace(options, layer=layer), cache)
        X = features.of_cache(cache, copies.row)
        with naming(options.head, features):
            outputs = linear(options.head, options.C, X, y, classes, parts)
        probabilities.append(design.joined(outputs[: len(design.folds)]))
        found = outputs[len(design.folds) :]
        scores.append(inner_uar(design, numbers, inner, found, design.tested))
    return LayerFits(cache.layers, np.stack(probabilities), np.stack(scores), kind)


def inner_uar(
    design: Design,
    numbers: Sequence[int],
    parts: Parts,
    outputs: Sequence[npt.NDArray],
    names: Sequence[str],
) -> npt.NDArray[np.float64]:
    """(fold,) mean UAR over some conditions in its inner folds."""
    copies = design.copies
    classes = len(copies.selection.classes)
    counts = np.zeros((len(design.folds), len(copies.names), classes, classes), np.intp)
    for number, (_, test), output in zip(numbers, parts, outputs, strict=True):
        best, of = output.argmax(1)[None], copies.condition[test]
        found = confusions(copies.y[test], best, of, classes)[:, 0]
        counts[number, : len(found)] += found.astype(np.intp)
    return uar(counts[:, [copies.names.index(name) for name in names]]).mean(1)
