"""Multinomial logistic regression of many problems in one batch of matrix products.

Each problem p minimises, over the weights w of its classes and their free intercepts b,

    f(w, b) = C Σᵢ vᵢ (log Σₖ exp(wₖ·zᵢ + bₖ) - w_yᵢ·zᵢ - b_yᵢ) + ½ Σₖ |wₖ|²

for utterances i of weight vᵢ and standardised features zᵢ, which is what scikit-learn's
`LogisticRegression` minimises. With two classes scikit-learn gives one vector to both, so C is
halved there for the same solution.

The method is that of nonlinear conjugate gradients (Polak and Ribière 1969) with a Newton step
along every direction (Nocedal and Wright 2006, Numerical Optimization, section 5.2), preconditioned
by the Hessian as it would be if every utterance had the mean curvature of its class, on the leading
principal directions. Since f is strongly convex in w, ½ |∇f|² bounds what is left to gain, and
decides when a problem is done. A problem's path depends on nothing but itself.

Axes: (class, problem, dim) for weights and gradients, (class, problem, utterance) for logits, so
that a layer of all problems is one matrix product. Arrays are NumPy's, or torch's on any device.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import ModuleType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor

RANK = 48  # principal directions that the preconditioner knows
CAUTION = 0.5  # share of the mean curvature that the preconditioner supposes
ABSENT = -1e30  # intercept of a class that does not occur in a problem
NEGLIGIBLE = 1e-4  # share of the first eigenvalue; directions below it are left out
TINY = 1e-20  # least curvature of a class whose utterances are all certain
NO_WEIGHTS = 1e-3  # share of the objective; a smaller penalty does not ask for more precision
ITERATIONS = 3000
HALVINGS = 40
POWER = 1  # rounds of subspace iteration


class Space(Protocol):
    """How weights are held, and what they say about the utterances.

    `precondition` takes a gradient and the mean curvature of the classes (class, problem, 1), and
    gives the step, its logits and the squared norm of the gradient (problem, 1). `dot` is the inner
    product (problem, 1) of two sets of weights, the second with its logits. `logits_of` asks the
    weights about other utterances X.
    """

    def select(self, problems: Array) -> Self: ...
    def zeros(self, like: Array) -> Array: ...
    def gradient(self, residuals: Array) -> Array: ...
    def precondition(self, gradient: Array, curvature: Array) -> tuple[Array, Array, Array]: ...
    def dot(self, first: Array, second: Array, logits: Array) -> Array: ...
    def logits_of(self, weights: Array, X: Array) -> Array: ...


@dataclass(frozen=True)
class Features:
    """Weights of features that all problems share."""

    X: Array  # (utterance, dim)
    directions: Array  # (direction, dim) orthonormal
    eigenvalues: Array  # (direction,) mean square of X along them

    @classmethod
    def of(cls, X: Array) -> Self:
        """A space of the training part X (utterance, dim), standardised."""
        return cls(X, *_principal(X))

    def select(self, problems: Array) -> Self:
        return self

    def zeros(self, like: Array) -> Array:
        """Weights of nothing, for logits `like` these."""
        return namespace(like).zeros_like(like[..., :1] * self.X[0])

    def logits(self, weights: Array) -> Array:
        """Logits, without intercept."""
        return _product(weights, self.X.T)

    def gradient(self, residuals: Array) -> Array:
        """Derivative by the weights of a function with these derivatives by the logits."""
        return _product(residuals, self.X)

    def precondition(self, gradient: Array, curvature: Array) -> tuple[Array, Array, Array]:
        shrunk = _product(gradient, self.directions.T) * _shrinkage(curvature * self.eigenvalues)
        step = gradient - _product(shrunk, self.directions)
        return step, self.logits(step), self.dot(gradient, gradient, None)

    def dot(self, first: Array, second: Array, logits: Array) -> Array:
        return _inner(first, second)

    def logits_of(self, weights: Array, X: Array) -> Array:
        return _product(weights, X.T)


@dataclass(frozen=True)
class Folded(Features):
    """The same of problems with a mean and a scale each, which are folded into the weights."""

    mean: Array  # (problem, dim) of the problem's training part
    inverse: Array  # (problem, dim) 1 / scale, likewise

    @classmethod
    def within(cls, X: Array, common: Array, mean: Array, inverse: Array) -> Self:
        """A space of the features X (utterance, dim), roughly standardised.

        Args:
            common: (utterance,) whether all problems train on it; these precondition.
        """
        return cls(X, *_principal(X[common]), mean, inverse)

    def select(self, problems: Array) -> Self:
        return replace(self, mean=self.mean[problems], inverse=self.inverse[problems])

    def logits(self, weights: Array) -> Array:
        weights = weights * self.inverse
        shift = namespace(weights).einsum("kpd,pd->kp", weights, self.mean)
        return _product(weights, self.X.T) - shift[..., None]

    def gradient(self, residuals: Array) -> Array:
        found = _product(residuals, self.X)
        found -= _sum(residuals) * self.mean
        found *= self.inverse
        return found


@dataclass(frozen=True)
class Gram:
    """Weights as sums of training utterances: for problems that share a training part.

    A set of weights Σᵢ aᵢ zᵢ is held as a, in which the gradient is the residuals themselves: one
    product with the Gram matrix a step instead of two with the features.
    """

    X: Array  # (utterance, dim)
    G: Array  # (utterance, utterance) inner products of the features
    directions: Array  # (direction, utterance) whose sums of utterances are orthonormal
    products: Array  # (direction, utterance) theirs with G
    eigenvalues: Array  # (direction,) mean square of the features along them

    @classmethod
    def of(cls, X: Array) -> Self:
        """A space of the training part X (utterance, dim), standardised."""
        G = X @ X.T
        vectors, eigenvalues = leading(lambda Q: G @ Q, len(G), G)
        some = eigenvalues > NEGLIGIBLE * eigenvalues[-1]
        vectors, eigenvalues = vectors[some], eigenvalues[some]
        directions = vectors / eigenvalues[:, None] ** 0.5
        return cls(X, G, directions, directions @ G, eigenvalues / len(G))

    def select(self, problems: Array) -> Self:
        return self

    def zeros(self, like: Array) -> Array:
        return namespace(like).zeros_like(like)

    def gradient(self, residuals: Array) -> Array:
        return residuals

    def precondition(self, gradient: Array, curvature: Array) -> tuple[Array, Array, Array]:
        logits = _product(gradient, self.G)
        square = _inner(gradient, logits)
        shrunk = _product(gradient, self.products.T) * _shrinkage(curvature * self.eigenvalues)
        step = gradient - _product(shrunk, self.directions)
        return step, logits - _product(shrunk, self.products), square

    def dot(self, first: Array, second: Array, logits: Array) -> Array:
        return _inner(first, logits)

    def logits_of(self, weights: Array, X: Array) -> Array:
        return _product(_product(weights, self.X), X.T)


@dataclass(frozen=True)
class _PerProblem:
    """Arrays whose last axis but one is the problem."""

    def select(self, problems: Array) -> Self:
        return type(self)(*(getattr(self, field.name)[..., problems, :] for field in fields(self)))


@dataclass(frozen=True)
class Task(_PerProblem):
    """What is to be fitted."""

    targets: Array  # (class, problem, utterance) weight of the utterance in its class, 0 in others
    weights: Array  # (problem, utterance) weight of the utterance, times C

    @classmethod
    def of(cls, labels: Array, classes: int, weights: Array, C: Array) -> Self:
        """A task from labels (problem, utterance) or (1, utterance), weights and C (problem,)."""
        xp = namespace(weights)
        member = xp.stack([(weights > 0) & (labels == number) for number in range(classes)])
        two = member.any(-1).sum(0) == 2
        weights = weights * xp.where(two, C / 2, C)[:, None]
        return cls(member * weights, weights)


@dataclass(frozen=True)
class _Point(_PerProblem):
    weights: Array  # (class, problem, dim)
    intercept: Array  # (class, problem, 1)
    logits: Array  # (class, problem, utterance)
    probabilities: Array  # (class, problem, utterance)
    penalty: Array  # (problem, 1) half the squared norm of the weights
    objective: Array  # (problem, 1)


@dataclass(frozen=True)
class _Direction(_PerProblem):
    weights: Array  # (class, problem, dim)
    intercept: Array  # (class, problem, 1)
    logits: Array  # (class, problem, utterance), without intercept
    slope: Array  # (problem, 1) of the objective along it
    gradient: Array  # (class, problem, dim) where it was taken, by the weights
    residual: Array  # (class, problem, 1) likewise by the intercepts
    square: Array  # (problem, 1) squared norm of both in the metric of the preconditioner


class Optimum(NamedTuple):
    """What was found."""

    weights: Array  # (class, problem, dim)
    intercept: Array  # (class, problem, 1)
    logits: Array  # (class, problem, utterance)
    converged: Array  # (problem,) where not, the rest is of no meaning


def minimise(space: Space, task: Task, tolerance: float, together: bool = False) -> Optimum:
    """Fit every problem until its objective is at most `tolerance` (relative) above the least.

    A problem does not converge where it would take more than `ITERATIONS`, or where rounding leaves
    nothing of its gradient's norm.

    Args:
        space: how weights are held.
        task: what is to be fitted.
        tolerance: share of the objective.
        together: whether problems stay in the batch when they are done, where they no longer move.
            The shape of a product decides how it is rounded, so this is what keeps a problem from
            depending on when others are done.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _minimised(space, task, tolerance, together)


def _minimised(space: Space, task: Task, tolerance: float, together: bool) -> Optimum:
    point, direction = _start(space, task), None
    names = ("weights", "intercept", "logits")
    xp = namespace(task.weights)
    found = [xp.zeros_like(getattr(point, name)) for name in names]
    left = xp.arange(len(task.weights), device=task.weights.device)
    converged = xp.zeros_like(left) > 0
    for iteration in range(ITERATIONS + 1):
        direction, gap = _descend(space, task, point, direction)
        enough = point.penalty + NO_WEIGHTS * point.objective
        rounding = xp.finfo(gap.dtype).eps * point.objective / 10
        lost = ~(gap >= 0)[:, 0]
        there = ((gap <= tolerance * enough) | (direction.square <= rounding))[:, 0] & ~lost
        done = there | lost if iteration < ITERATIONS else there | True
        if done.all() or (done.any() and not together):
            for whole, name in zip(found, names, strict=True):
                whole[:, left[done]] = getattr(point, name)[:, done]
            converged[left[done]] = there[done]
            if done.all():
                break
            left = left[~done]
            space, task = space.select(~done), task.select(~done)
            point, direction, done = point.select(~done), direction.select(~done), done[~done]
        point = _advance(space, task, point, direction, done)
    return Optimum(found[0], found[1], found[2], converged)


def _start(space: Space, task: Task) -> _Point:
    """No weights, and the intercepts of the classes' shares."""
    xp = namespace(task.weights)
    shares = _sum(task.targets) / _sum(task.weights)
    absent = shares <= 0
    intercept = xp.where(absent, ABSENT, xp.log(shares + absent))
    logits = xp.zeros_like(task.targets) + intercept
    probabilities, loss = _softmax(task, logits)
    return _Point(space.zeros(logits), intercept, logits, probabilities, 0 * loss, loss)


def _softmax(task: Task, logits: Array) -> tuple[Array, Array]:
    """Probabilities, and the weighted cross-entropy (problem, 1) in nats."""
    xp = namespace(logits)
    logits = logits - xp.amax(logits, 0)
    probabilities = xp.exp(logits)
    total = probabilities.sum(0)
    probabilities /= total
    loss = _sum(xp.log(total) * task.weights) - _inner(task.targets, logits)
    return probabilities, loss


def _descend(
    space: Space, task: Task, point: _Point, last: _Direction | None
) -> tuple[_Direction, Array]:
    """Where to go from a point, and at most how much the objective (problem, 1) can still fall."""
    xp = namespace(task.weights)
    least = xp.finfo(task.weights.dtype).tiny
    errors = point.probabilities * task.weights
    curvature = _sum(errors) - _sum(errors * point.probabilities)
    curvature = xp.clip(curvature, TINY, None)
    errors -= task.targets
    gradient, residual = point.weights + space.gradient(errors), _sum(errors)
    weights, logits, norm = space.precondition(gradient, CAUTION * curvature)
    intercept = residual / curvature
    flat = (residual * intercept).sum(0)
    gap = 0.5 * (norm + flat)
    square = space.dot(gradient, weights, logits) + flat
    if last is None:
        first = -weights, -intercept, -logits
        return _Direction(*first, -square, gradient, residual, square), gap
    change = square - space.dot(last.gradient, weights, logits)
    change = change - (last.residual * intercept).sum(0)
    again = xp.clip(change / xp.clip(last.square, least, None), 0, None)
    slope = space.dot(gradient, last.weights, last.logits) + (residual * last.intercept).sum(0)
    slope = again * slope - square
    again = xp.where(slope < 0, again, 0)
    slope = xp.where(slope < 0, slope, -square)
    weights = again * last.weights - weights
    intercept = again * last.intercept - intercept
    logits = again * last.logits - logits
    return _Direction(weights, intercept, logits, slope, gradient, residual, square), gap


def _advance(space: Space, task: Task, point: _Point, direction: _Direction, done: Array) -> _Point:
    """A Newton step along the direction, halved until the objective does not rise.

    Problems that are `done` (problem,) stay where they are.
    """
    xp = namespace(task.weights)
    logits = direction.logits + direction.intercept
    expected = point.probabilities * logits
    variance = xp.clip((expected * logits).sum(0) - expected.sum(0) ** 2, 0, None)
    square = space.dot(direction.weights, direction.weights, direction.logits)
    along = space.dot(point.weights, direction.weights, direction.logits)
    curvature = square + _sum(variance * task.weights)
    length = -direction.slope / xp.clip(curvature, xp.finfo(square.dtype).tiny, None)
    length = xp.where(done[:, None], 0, length)
    highest = point.objective * (1 + 8 * xp.finfo(length.dtype).eps)
    for _ in range(HALVINGS):
        further = point.logits + length * logits
        probabilities, loss = _softmax(task, further)
        penalty = point.penalty + length * (along + length * square / 2)
        objective = loss + penalty
        risen = objective > highest
        if not risen.any():
            break
        length = xp.where(risen, length / 2, length)
    weights = point.weights + length * direction.weights
    intercept = point.intercept + length * direction.intercept
    return _Point(weights, intercept, further, probabilities, penalty, objective)


def _principal(X: Array) -> tuple[Array, Array]:
    """The leading principal directions (direction, dim) of X, and the mean square along each."""
    return leading(lambda Q: X.T @ (X @ Q) / len(X), X.shape[1], X)


def leading(
    product: Callable[[Array], Array], dim: int, like: Array, rank: int = RANK
) -> tuple[Array, Array]:
    """The leading eigenvectors (direction, dim) and eigenvalues of a positive operator, roughly.

    Subspace iteration from random vectors (Halko, Martinsson and Tropp 2011, Finding Structure with
    Randomness, algorithm 4.4).
    """
    xp = namespace(like)
    random = np.random.default_rng(0).standard_normal((dim, min(rank, dim)))
    basis = product(xp.asarray(random, dtype=like.dtype, device=like.device))
    for _ in range(POWER):
        basis = product(xp.linalg.qr(basis)[0])
    basis = xp.linalg.qr(basis)[0]
    eigenvalues, rotation = xp.linalg.eigh(basis.T @ product(basis))
    return (basis @ rotation).T, xp.clip(eigenvalues, 0, None)


def namespace(array: Array) -> ModuleType:
    """The module that an array belongs to."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def _product(left: Array, right: Array) -> Array:
    """(class, problem, a) by (a, b) in one product of matrices."""
    classes, problems, length = left.shape
    flat = left.reshape(classes * problems, length) @ right
    return flat.reshape(classes, problems, right.shape[1])


def _sum(array: Array) -> Array:
    return array.sum(-1)[..., None]


def _inner(first: Array, second: Array) -> Array:
    """(problem, 1) sums over the other axes of a product."""
    return namespace(first).einsum("kpd,kpd->p", first, second)[:, None]


def _shrinkage(stretch: Array) -> Array:
    """What 1 / (1 + stretch) lacks to one."""
    return stretch / (1 + stretch)
