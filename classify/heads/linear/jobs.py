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
from classify.heads.linear.spaces import Array, FeatureSpace, FoldedSpace, GramSpace
from classify.heads.standardize import Scaling, scaling

TOLERANCE = 5e-5  # of logistic regression: of its objective, and in weights its root, relative
STEPS = 20  # roughly, that a fit takes; weighs one way of fitting against the other
CPU_CHUNK = 40_000  # numbers of an array, so that a core's cache holds a few
DEVICE_CHUNK = 1 << 28
FEW_COLUMNS = 40  # with so many, a product takes twice as long as with one
GRAM_LIMIT = 20_000  # utterances of a Gram matrix
COMMON = 0.25  # share of the utterances that all parts of a chunk have to train on
FAR = 1e9  # deviations; larger values of shared features could overflow float32

Float64 = npt.NDArray[np.float64]
Linear = tuple[Float64, Float64]  # of features as they are: (class, problem, dim) and intercepts
Answer = tuple[Rows, npt.NDArray, Callable[[], Linear]]  # problems, their logits and weights
Job = Callable[[], Iterator[Answer]]  # gives logits (class, problem, utterance)


@dataclass(frozen=True)
class StandardisedPart:
    """A training part, and all features standardised by its statistics."""

    X: npt.NDArray[np.floating]  # (utterance, dim)
    scaled: Scaling
    number: int  # of the part in `scaled`
    train: npt.NDArray[np.bool_]  # (utterance,)

    def standardised(self) -> Float64:
        """(utterance, dim)."""
        return self.scaled.of(self.X, self.number)


def softmax_jobs(X: npt.NDArray[np.floating], problems: Problems, device: str) -> list[Job]:
    """Jobs that fit logistic regressions."""
    train, members = problems.parts()
    columns = problems.classes * np.array([len(rows) for rows in members])
    by_gram = _cost_by_gram(train.sum(1), columns, X.shape[1])
    by_features = STEPS * 4 * X.size * columns
    double = _needs_float64(problems.strengths, X.size)
    chunks: list[Rows] = []
    if np.ndim(problems.C) == 0:
        most = _most(problems.classes * max(X.shape), device)
        chunks = _sharing(train, members, by_features <= by_gram, most)
    common = [train[chunk].all(0) for chunk in chunks]
    scaled = scaling(X, np.vstack([train, *common]))
    parts = [
        StandardisedPart(X, scaled, number, mask) for number, mask in enumerate([*train, *common])
    ]
    jobs: list[Job] = []
    alone = np.ones(len(members), bool)
    for chunk, reference in zip(chunks, parts[len(members) :], strict=True):
        alone[chunk] = False
        dtype = np.float64 if double[0] else np.float32
        those = [(parts[part], members[part]) for part in chunk]
        jobs.append(partial(_on_shared_features, reference, those, problems, dtype, device))
    by_features = STEPS * 4 * X.size * (columns + FEW_COLUMNS)
    for part in np.flatnonzero(alone).tolist():
        rows, own = members[part], parts[part]
        for dtype, some in ((np.float32, rows[~double[rows]]), (np.float64, rows[double[rows]])):
            if len(some):
                space = GramSpace if by_gram[part] < by_features[part] else FeatureSpace
                jobs.append(partial(_on_own_features, space, own, problems, some, dtype, device))
    return jobs


def closed_form_jobs(head: str, X: npt.NDArray[np.floating], problems: Problems) -> list[Job]:
    """Jobs that fit ridge regressions or linear discriminants."""
    train, members = problems.parts()
    scaled = scaling(X, train)
    return [
        partial(
            _in_closed_form, head, StandardisedPart(X, scaled, part, train[part]), problems, rows
        )
        for part, rows in enumerate(members)
    ]


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
    row decides how a feature is rounded. The training parts alone say which those are: whoever
    shares with whom depends on no feature and no label.

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


def _most(numbers: int, device: str) -> int:
    """Number of problems whose arrays have an efficient size."""
    return max(1, (CPU_CHUNK if device == "cpu" else DEVICE_CHUNK) // numbers)


def _chunks(rows: Rows, problems: Problems, longest: int, device: str) -> list[Rows]:
    """Chunks of problems with similar C whose arrays have an efficient size."""
    rows = rows[np.argsort(problems.strengths[rows], kind="stable")]
    number = -(-len(rows) // _most(problems.classes * longest, device))
    return np.array_split(rows, min(number, len(rows)))


def _array(values: npt.NDArray, device: str) -> Array:
    if device == "cpu":
        return np.ascontiguousarray(values)
    import torch

    return torch.as_tensor(values, device=device)


def _numpy(array: Array) -> npt.NDArray:
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def _batch_of(problems: Problems, rows: Rows, utterances: Rows | slice, like: Array) -> Batch:
    """Labels, weights and C of some problems and utterances, in arrays of the type of `like`."""
    device = "cpu" if isinstance(like, np.ndarray) else str(like.device)
    dtype = np.dtype(str(like.dtype).removeprefix("torch."))
    weights = problems.train[rows][:, utterances].astype(dtype)
    labels = problems.labels_of(rows, utterances)
    C = problems.strengths[rows].astype(dtype)
    arrays = (_array(values, device) for values in (labels, weights, C))
    labels, weights, C = arrays
    return Batch.of(labels, problems.classes, weights, C)


def _on_shared_features(
    reference: StandardisedPart,
    members: list[tuple[StandardisedPart, Rows]],
    problems: Problems,
    dtype: type[np.floating],
    device: str,
) -> Iterator[Answer]:
    """Fit problems of some training parts, of one C.

    No problem leaves the batch before the last one has converged: the size of the batch affects
    rounding, and the convergence of another fold depends on rows that this fold tests.

    Args:
        reference: the utterances that all the parts train on.
        members: each part with its problems.
        problems: all of them.
        dtype: float32 or float64.
        device: "cpu", or a torch device.
    """
    scaled, rows = reference.scaled, np.concatenate([some for _, some in members])
    centre, scale = (values[reference.number].astype(dtype) for values in scaled[:2])
    Z = np.subtract(reference.X, centre, dtype=dtype)  # the exact centre and scale do not matter
    Z /= scale
    np.clip(Z, -FAR, FAR, out=Z)
    numbers = np.repeat([part.number for part, _ in members], [len(some) for _, some in members])
    inverse = np.where(scaled.constant[numbers], 0, scale / scaled.scale[numbers])
    mean = (scaled.mean[numbers] - centre) / scale
    arrays = [_array(a.astype(dtype, copy=False), device) for a in (Z, mean, inverse)]
    space = FoldedSpace.within(arrays[0], _array(reference.train, device), *arrays[1:])
    batch = _batch_of(problems, rows, slice(None), space.X)
    optimum = minimise(space, batch, TOLERANCE, together=True)
    converged = _numpy(optimum.converged)

    def linear() -> Linear:
        weights = _numpy(optimum.weights).astype(np.float64) * inverse
        shift = (weights * mean).sum(-1)
        weights, centred = weights / scale, _numpy(optimum.intercept)[..., 0] - shift
        return weights[:, converged], (centred - weights @ centre)[:, converged]

    yield rows[converged], _numpy(optimum.logits)[:, converged], linear
    for part, some in members:
        if len(left := np.setdiff1d(some, rows[converged])):
            yield from _more_exactly(part, problems, left, device)


def _on_own_features(
    kind: type[FeatureSpace] | type[GramSpace],
    part: StandardisedPart,
    problems: Problems,
    rows: Rows,
    dtype: type[np.floating],
    device: str,
) -> Iterator[Answer]:
    """Fit problems that share a training part, on its utterances alone."""
    Z, train = part.standardised().astype(dtype), part.train
    known, new = _array(Z[train], device), _array(Z[~train], device)
    space = kind.of(known)
    longest = len(known) if kind is GramSpace else max(known.shape)
    for chunk in _chunks(rows, problems, longest, device):
        batch = _batch_of(problems, chunk, np.flatnonzero(train), known)
        optimum = minimise(space, batch, TOLERANCE)
        weights, intercept, logits, converged = optimum
        there = _numpy(converged)
        found = np.empty((problems.classes, there.sum(), len(Z)), Z.dtype)
        found[..., train] = _numpy(logits[:, converged])
        others = space.logits_of(weights[:, converged], new) + intercept[:, converged]
        found[..., ~train] = _numpy(others)
        linear = partial(_of_own_features, space, part, *(a[:, converged] for a in optimum[:2]))
        yield chunk[there], found, linear
        if there.all():
            continue
        if kind is FeatureSpace and dtype is np.float64:
            raise NoOptimum.by_C(*problems.strengths[chunk[~there]])
        yield from _more_exactly(part, problems, chunk[~there], device)


def _of_own_features(
    space: FeatureSpace | GramSpace, part: StandardisedPart, weights: Array, intercept: Array
) -> Linear:
    """Weights of features as they are, from those of a space."""
    return _unscaled(
        part,
        _numpy(space.of_features(weights)).astype(np.float64),
        _numpy(intercept)[..., 0].astype(np.float64),
    )


def _unscaled(part: StandardisedPart, weights: Float64, intercept: Float64) -> Linear:
    weights = weights / part.scaled.scale[part.number]
    return weights, intercept - weights @ part.scaled.mean[part.number]


def _more_exactly(
    part: StandardisedPart, problems: Problems, rows: Rows, device: str
) -> Iterator[Answer]:
    """Fit problems of a training part in float64, with the least rounding."""
    return _on_own_features(FeatureSpace, part, problems, rows, np.float64, device)


def _in_closed_form(
    head: str, part: StandardisedPart, problems: Problems, rows: Rows
) -> Iterator[Answer]:
    """Fit problems that share a training part."""
    Z, train = part.standardised(), part.train
    fit = {"ridge": closed_form.ridge, "lda": closed_form.lda}[head]
    product = closed_form.gram(Z[train])
    for problem in rows:
        labels = problems.labels_of(np.array([problem]))[0, train]
        C = problems.strengths[problem]
        weights, intercept = fit(Z[train], product, labels, problems.classes, C)
        logits = (weights @ Z.T + intercept[:, None])[:, None]
        yield (
            np.array([problem]), logits,
            partial(_unscaled, part, weights[:, None], intercept[:, None]),
        )  # fmt: skip
