"""How problems are shared out among matrix products of a good size.

Problems that share a training part are fitted on its Gram matrix where they are many; all others
share the features, with masks and scales of their own. Chunks are of a fixed size, so that the
numbers do not depend on how many cores work on them.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from classify.heads import closed_form
from classify.heads.problems import Problems, Rows
from classify.heads.softmax import Array, Features, Gram, Task, minimise
from classify.heads.standardize import Scaling, scaling

TOLERANCE = 5e-5  # of logistic regression: of its objective, and in weights its root, relative
STEPS = 20  # roughly, that a fit takes; weighs one way of fitting against the other
CPU_CHUNK = 40_000  # numbers of an array, so that a core's cache holds a few
DEVICE_CHUNK = 1 << 28
NARROW = 0.6  # speed of products with few columns, compared with many
GRAM_LIMIT = 20_000  # utterances of a Gram matrix
UNLIKE = 1e-3  # share of its deviation that a feature may have in a part and share its float32

Features64 = npt.NDArray[np.float64]
Answer = tuple[Rows, npt.NDArray]  # some problems, and what was found of them
Job = Callable[[], Iterator[Answer]]  # gives logits (class, problem, utterance)


def softmax_jobs(X: npt.NDArray[np.floating], problems: Problems, device: str) -> list[Job]:
    """Jobs that fit logistic regressions."""
    train, members = problems.parts()
    every = scaling(X, np.vstack([train, np.ones((1, len(X)), bool)]))
    scaled, whole = every.select(slice(-1)), every.select(slice(-1, None))
    columns = problems.classes * np.array([len(rows) for rows in members])
    by_gram = _gram_pays(train.sum(1), columns, X.shape)
    unlike = (~scaled.constant & (scaled.scale < UNLIKE * whole.scale)).any(1)
    jobs: list[Job] = []
    for part in np.flatnonzero(by_gram | unlike).tolist():
        Z = scaled.of(X, part)
        fit = _on_gram if by_gram[part] else _on_own_features
        for dtype, rows in _by_precision(members[part], problems, X.size):
            jobs.append(partial(fit, Z.astype(dtype), train[part], problems, rows, device))
    shared = np.flatnonzero(~(by_gram | unlike))
    if len(shared):
        Z, inverse = whole.of(X), whole.scale / scaled.scale
        inverse[scaled.constant] = 0
        mean = (scaled.mean - whole.mean) / whole.scale
        part_of = np.empty(len(problems), np.intp)
        for part in shared.tolist():
            part_of[members[part]] = part
        together = np.concatenate([members[part] for part in shared])
        for dtype, rows in _by_precision(together, problems, X.size):
            space = Features.of(*(_array(a.astype(dtype), device) for a in (Z, mean, inverse)))
            for chunk in _chunks(rows, problems, max(X.shape), device):
                jobs.append(partial(_on_features, space, part_of[chunk], problems, chunk))
    return jobs


def closed_form_jobs(head: str, X: npt.NDArray[np.floating], problems: Problems) -> list[Job]:
    """Jobs that fit ridge regressions or linear discriminants."""
    train, members = problems.parts()
    scaled = scaling(X, train)
    return [
        partial(_in_closed_form, head, X, scaled, part, train[part], problems, rows)
        for part, rows in enumerate(members)
    ]


def _gram_pays(
    sizes: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """(part,) whether its Gram matrix saves more operations than it costs."""
    utterances, dim = shape
    by_features = STEPS * 4 * utterances * dim * columns
    by_gram = sizes**2 * (dim + STEPS * 2 * columns)
    return (by_gram < NARROW * by_features) & (sizes <= GRAM_LIMIT)


def _by_precision(
    rows: Rows, problems: Problems, numbers: int
) -> Iterator[tuple[type[np.floating], Rows]]:
    """Problems that float32 solves well enough, and those of a large C that it does not.

    A probability is off by eps, so the gradient by C eps √numbers at most: it has to be far smaller
    than the gradient that ends a fit, which is the root of the tolerance on weights of norm 1.
    """
    noise = problems.strengths[rows] * np.finfo(np.float32).eps * numbers**0.5
    double = noise > TOLERANCE**0.5 / 10
    for dtype, some in ((np.float32, rows[~double]), (np.float64, rows[double])):
        if len(some):
            yield dtype, some


def _chunks(rows: Rows, problems: Problems, longest: int, device: str) -> list[Rows]:
    """Problems of much the same C, so many that their arrays are of a good size."""
    rows = rows[np.argsort(problems.strengths[rows], kind="stable")]
    most = CPU_CHUNK if device == "cpu" else DEVICE_CHUNK
    number = -(-len(rows) * problems.classes * longest // most)
    return np.array_split(rows, min(number, len(rows)))


def _array(values: npt.NDArray, device: str) -> Array:
    if device == "cpu":
        return np.ascontiguousarray(values)
    import torch

    return torch.as_tensor(values, device=device)


def _numpy(array: Array) -> npt.NDArray:
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def _task(problems: Problems, rows: Rows, utterances: Rows | slice, like: Array) -> Task:
    """What the problems want of some utterances, in arrays like that of the features."""
    device = "cpu" if isinstance(like, np.ndarray) else str(like.device)
    dtype = np.dtype(str(like.dtype).removeprefix("torch."))
    weights = problems.train[rows][:, utterances].astype(dtype)
    labels = problems.labels_of(rows, utterances)
    C = problems.strengths[rows].astype(dtype)
    arrays = (_array(values, device) for values in (labels, weights, C))
    labels, weights, C = arrays
    return Task.of(labels, problems.classes, weights, C)


def _on_features(space: Features, parts: Rows, problems: Problems, rows: Rows) -> Iterator[Answer]:
    """Fit problems of different training parts."""
    task = _task(problems, rows, slice(None), space.X)
    _, intercept, logits = minimise(space.select(parts), task, TOLERANCE)
    yield rows, _numpy(logits + intercept)


def _on_own_features(
    Z: npt.NDArray, train: npt.NDArray[np.bool_], problems: Problems, rows: Rows, device: str
) -> Iterator[Answer]:
    """Fit problems of a training part whose scales are like those of no other part."""
    none = np.zeros((1, Z.shape[1]), Z.dtype)
    space = Features.of(*(_array(values, device) for values in (Z, none, none + 1)))
    for chunk in _chunks(rows, problems, max(Z.shape), device):
        yield from _on_features(space, np.zeros(len(chunk), np.intp), problems, chunk)


def _on_gram(
    Z: npt.NDArray, train: npt.NDArray[np.bool_], problems: Problems, rows: Rows, device: str
) -> Iterator[Answer]:
    """Fit problems that share a training part."""
    known, new = _array(Z[train], device), _array(Z[~train], device)
    space = Gram.of(known)
    for chunk in _chunks(rows, problems, len(known), device):
        task = _task(problems, chunk, np.flatnonzero(train), known)
        weights, intercept, logits = minimise(space, task, TOLERANCE)
        found = np.empty((*weights.shape[:2], len(Z)), Z.dtype)
        found[..., train] = _numpy(logits + intercept)
        found[..., ~train] = _numpy(weights @ known @ new.T + intercept)
        yield chunk, found


def _in_closed_form(
    head: str,
    X: npt.NDArray[np.floating],
    scaled: Scaling,
    part: int,
    train: npt.NDArray[np.bool_],
    problems: Problems,
    rows: Rows,
) -> Iterator[Answer]:
    """Fit problems that share a training part."""
    Z = scaled.of(X, part)
    fit = {"ridge": closed_form.ridge, "lda": closed_form.lda}[head]
    product = closed_form.gram(Z[train])
    for problem in rows:
        labels = problems.labels_of(np.array([problem]))[0, train]
        fitted = fit(Z[train], product, labels, problems.classes, problems.strengths[problem])
        weights, intercept = fitted
        yield np.array([problem]), (weights @ Z.T + intercept[:, None])[:, None]
