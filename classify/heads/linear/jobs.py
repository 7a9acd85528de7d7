"""Group problems into matrix products of an efficient size.

Problems that share a training part are fitted on its utterances, or on their Gram matrix where that
is quicker. Parts of few problems and one C share the features, with masks and scales of their own.
The grouping depends on the training parts alone, and chunks have a fixed size, so the results do
not depend on test rows or on the number of cores.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from classify.heads import NoOptimum
from classify.heads.linear import closed_form
from classify.heads.linear.logistic import Batch, minimise
from classify.heads.linear.problems import Problems, Rows
from classify.heads.linear.spaces import FeatureSpace, FoldedSpace, GramSpace, product
from classify.heads.standardize import scaling

TOLERANCE = 5e-5  # of logistic regression: of its objective, and in weights its root, relative
STEPS = 20  # roughly, that a fit takes; weighs one way of fitting against the other
CHUNK = 40_000  # numbers of an array, so that a core's cache holds a few
FEW_COLUMNS = 40  # with so many, a product takes twice as long as with one
GRAM_LIMIT = 20_000  # utterances of a Gram matrix
COMMON = 0.25  # share of the utterances that all parts of a chunk have to train on
FAR = 1e9  # deviations; larger values of shared features could overflow float32

DType = type[np.floating]  # float32 or float64
Float64 = npt.NDArray[np.float64]
Linear = tuple[Float64, Float64]  # of features as they are: (class, problem, dim) and intercepts
Answer = tuple[Rows, npt.NDArray, Callable[[], Linear]]  # problems, their logits and weights
Job = Callable[[], Iterator[Answer]]  # gives logits (class, problem, utterance)


@dataclass(frozen=True)
class Part:
    """A training part, the problems that are fitted to it, and the scale of its features."""

    X: npt.NDArray[np.floating]  # (utterance, dim), as it is, of all utterances
    problems: Problems
    rows: Rows  # rows of `problems`; empty for what several parts share
    train: npt.NDArray[np.bool_]  # (utterance,)
    mean: Float64  # (dim,)
    scale: Float64  # (dim,) 1 of a constant feature
    constant: npt.NDArray[np.bool_]  # (dim,)

    def standardised(self) -> Float64:
        """(utterance, dim)."""
        return (self.X - self.mean) / self.scale

    def unscaled(self, weights: npt.NDArray, intercept: npt.NDArray) -> Linear:
        """Weights and intercepts of features as they are, from those of standardised ones."""
        weights = weights / self.scale
        return weights, intercept - weights @ self.mean


def _parts(
    X: npt.NDArray[np.floating], problems: Problems, train: npt.NDArray[np.bool_], rows: list[Rows]
) -> list[Part]:
    scaled = scaling(X, train)
    return [Part(X, problems, *each) for each in zip(rows, train, *scaled, strict=True)]


def softmax_jobs(X: npt.NDArray[np.floating], problems: Problems) -> list[Job]:
    """Jobs that fit logistic regressions."""
    train, members = problems.parts()
    columns = problems.classes * np.array([len(rows) for rows in members])
    by_gram = _cost_by_gram(train.sum(1), columns, X.shape[1])
    by_features = STEPS * 4 * X.size * columns
    double = _needs_float64(problems.strengths, X.size)
    chunks: list[Rows] = []
    if np.ndim(problems.C) == 0:
        most = _most(problems.classes * max(X.shape))
        chunks = _sharing(train, members, by_features <= by_gram, most)
    common = [train[chunk].all(0) for chunk in chunks]
    nobody = [np.array([], np.intp)] * len(chunks)
    parts = _parts(X, problems, np.vstack([train, *common]), members + nobody)
    dtype = np.float64 if double[0] else np.float32
    jobs: list[Job] = [
        partial(_on_shared_features, reference, [parts[part] for part in chunk], dtype)
        for chunk, reference in zip(chunks, parts[len(members) :], strict=True)
    ]
    by_features = STEPS * 4 * X.size * (columns + FEW_COLUMNS)
    for part in np.setdiff1d(np.arange(len(members)), [p for chunk in chunks for p in chunk]):
        own = parts[part]
        space = GramSpace if by_gram[part] < by_features[part] else FeatureSpace
        of_own = double[own.rows]
        for dtype, some in ((np.float32, own.rows[~of_own]), (np.float64, own.rows[of_own])):
            if len(some):
                jobs.append(partial(_on_own_features, space, own, some, dtype))
    return jobs


def closed_form_jobs(head: str, X: npt.NDArray[np.floating], problems: Problems) -> list[Job]:
    """Jobs that fit ridge regressions or linear discriminants."""
    fit = {"ridge": closed_form.ridge, "lda": closed_form.lda}[head]
    parts = _parts(X, problems, *problems.parts())
    return [partial(_in_closed_form, fit, part) for part in parts]


def _cost_by_gram(
    sizes: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], dim: int
) -> npt.NDArray[np.float64]:
    """(part,) operations of its fits on its Gram matrix, roughly; infinite of one too large."""
    cost = sizes**2 * (dim / 2 + STEPS * 2 * (columns + FEW_COLUMNS))
    return np.where(sizes <= GRAM_LIMIT, cost, np.inf)


def _sharing(
    train: npt.NDArray[np.bool_], members: list[Rows], able: npt.NDArray[np.bool_], most: int
) -> list[Rows]:
    """Parts (chunk, part) that are fitted together on the same features.

    These are centred and scaled by utterances that all parts of a chunk train on, so that no test
    row decides how a feature is rounded. The grouping depends on the training parts alone, not on
    features or labels.

    Args:
        train: (part, utterance).
        members: the problems of each part.
        able: (part,) whether it may.
        most: problems of a chunk.
    """
    few = np.array([len(rows) < most for rows in members])
    parts = np.flatnonzero(able & few)
    number = -(-sum(len(members[part]) for part in parts) // most)
    chunks = np.array_split(parts, min(max(2, number), max(1, len(parts))))
    enough = COMMON * train.shape[1]
    return [some for some in chunks if len(some) > 1 and train[some].all(0).sum() >= enough]


def _needs_float64(C: npt.NDArray[np.float64], numbers: int) -> npt.NDArray[np.bool_]:
    """(problem,) whether C is too large for float32.

    A probability is off by eps, so the gradient by C eps √numbers at most: it has to be far smaller
    than the gradient that ends a fit, which is the root of the tolerance on weights of norm 1.
    """
    return C * np.finfo(np.float32).eps * numbers**0.5 > TOLERANCE**0.5 / 10


def _most(numbers: int) -> int:
    """Number of problems whose arrays have an efficient size."""
    return max(1, CHUNK // numbers)


def _chunks(rows: Rows, problems: Problems, longest: int) -> list[Rows]:
    """Chunks of problems with similar C whose arrays have an efficient size."""
    rows = rows[np.argsort(problems.strengths[rows], kind="stable")]
    number = -(-len(rows) // _most(problems.classes * longest))
    return np.array_split(rows, min(number, len(rows)))


def _batch_of(
    problems: Problems, rows: Rows, utterances: npt.NDArray | slice, dtype: DType
) -> Batch:
    """Labels, weights and C of some problems and utterances."""
    train, labels = (
        np.ascontiguousarray(values[rows][:, utterances])  # the layout decides how sums are rounded
        for values in (problems.train, problems.all_labels)
    )
    C = problems.strengths[rows].astype(dtype)
    return Batch.of(labels, problems.classes, train.astype(dtype), C)


def _on_shared_features(reference: Part, parts: list[Part], dtype: DType) -> Iterator[Answer]:
    """Fit the problems of some training parts, of one C.

    No problem leaves the batch before the last one has converged: the size of the batch affects
    rounding, and the convergence of another fold depends on rows that this fold tests.

    Args:
        reference: the utterances that all the parts train on.
        parts: those parts.
        dtype: float32 or float64.
    """
    rows = np.concatenate([part.rows for part in parts])
    sizes = [len(part.rows) for part in parts]
    constant, deviation, own_mean = (
        np.repeat([getattr(part, name) for part in parts], sizes, axis=0)
        for name in ("constant", "scale", "mean")
    )
    centre, scale = reference.mean.astype(dtype), reference.scale.astype(dtype)
    Z = np.subtract(reference.X, centre, dtype=dtype)  # the exact centre and scale do not matter
    Z /= scale
    np.clip(Z, -FAR, FAR, out=Z)
    inverse = np.where(constant, 0, scale / deviation)
    mean = (own_mean - centre) / scale
    space = FoldedSpace.within(
        Z, reference.train, *(a.astype(dtype, copy=False) for a in (mean, inverse))
    )
    batch = _batch_of(reference.problems, rows, slice(None), dtype)
    optimum = minimise(space, batch, TOLERANCE, together=True)
    converged = optimum.converged

    def linear() -> Linear:
        weights = optimum.weights.astype(np.float64) * inverse
        shift = (weights * mean).sum(-1)
        weights, centred = weights / scale, optimum.intercept[..., 0] - shift
        return weights[:, converged], (centred - weights @ centre)[:, converged]

    yield rows[converged], optimum.logits[:, converged], linear
    for part in parts:
        if len(left := np.setdiff1d(part.rows, rows[converged])):
            yield from _more_exactly(part, left)


def _on_own_features(
    kind: type[FeatureSpace] | type[GramSpace],
    part: Part,
    rows: Rows,
    dtype: DType,
) -> Iterator[Answer]:
    """Fit some problems of a training part, on its utterances alone."""
    problems, train = part.problems, part.train
    Z = part.standardised().astype(dtype)
    known, new = Z[train], Z[~train]
    space = kind.of(known)
    longest = len(known) if kind is GramSpace else max(known.shape)
    for chunk in _chunks(rows, problems, longest):
        optimum = minimise(space, _batch_of(problems, chunk, train, dtype), TOLERANCE)
        there = optimum.converged
        weights, intercept, logits = (values[:, there] for values in optimum[:3])
        features = space.of_features(weights)
        found = np.empty((problems.classes, there.sum(), len(Z)), Z.dtype)
        found[..., train] = logits
        found[..., ~train] = product(features, new.T) + intercept
        yield chunk[there], found, partial(part.unscaled, features, intercept[..., 0])
        if there.all():
            continue
        if kind is FeatureSpace and dtype is np.float64:
            raise NoOptimum.by_C(*problems.strengths[chunk[~there]])
        yield from _more_exactly(part, chunk[~there])


def _more_exactly(part: Part, rows: Rows) -> Iterator[Answer]:
    """Fit some problems of a training part in float64, with the least rounding."""
    return _on_own_features(FeatureSpace, part, rows, np.float64)


def _in_closed_form(fit: Callable[..., closed_form.Linear], part: Part) -> Iterator[Answer]:
    """Fit the problems of a training part."""
    Z, train, problems = part.standardised(), part.train, part.problems
    gram = closed_form.gram(Z[train])
    for problem in part.rows:
        labels, C = problems.all_labels[problem, train], problems.strengths[problem]
        weights, intercept = fit(Z[train], gram, labels, problems.classes, C)
        logits = (weights @ Z.T + intercept[:, None])[:, None]
        yield (
            np.array([problem]),
            logits,
            partial(part.unscaled, weights[:, None], intercept[:, None]),
        )
