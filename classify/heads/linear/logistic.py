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
that a layer of all problems is one matrix product.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from classify.heads.linear.spaces import Array, Space, inner, summed

CAUTION = 0.5  # share of the mean curvature that the preconditioner supposes
ABSENT = -1e30  # intercept of a class that does not occur in a problem
TINY = 1e-20  # least curvature of a class whose utterances are all certain
NO_WEIGHTS = 1e-3  # share of the objective; a smaller penalty does not ask for more precision
ITERATIONS = 3000
HALVINGS = 40


@dataclass(frozen=True)
class _PerProblem:
    """Arrays whose last axis but one is the problem."""

    def select(self, problems: npt.NDArray[np.bool_]) -> Self:
        return type(self)(*(getattr(self, field.name)[..., problems, :] for field in fields(self)))


@dataclass(frozen=True)
class Batch(_PerProblem):
    """Labels, weights and C of a batch of problems."""

    targets: Array  # (class, problem, utterance) weight of the utterance in its class, 0 in others
    weights: Array  # (problem, utterance) weight of the utterance, times C

    @classmethod
    def of(cls, labels: npt.NDArray, classes: int, weights: Array, C: Array) -> Self:
        """A batch from labels (problem, utterance) or (1, utterance), weights and C (problem,)."""
        member = np.stack([(weights > 0) & (labels == number) for number in range(classes)])
        two = member.any(-1).sum(0) == 2
        weights = weights * np.where(two, C / 2, C)[:, None]
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
    """The optimum of each problem."""

    weights: Array  # (class, problem, dim)
    intercept: Array  # (class, problem, 1)
    logits: Array  # (class, problem, utterance)
    converged: npt.NDArray[np.bool_]  # (problem,) where False, the other fields have no meaning


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def minimise(space: Space, batch: Batch, tolerance: float, together: bool = False) -> Optimum:
    """Fit every problem until its objective is at most `tolerance` (relative) above the least.

    A problem does not converge where it would take more than `ITERATIONS`, or where rounding leaves
    nothing of its gradient's norm.

    Args:
        space: how weights are held.
        batch: the problems.
        tolerance: share of the objective.
        together: whether problems stay in the batch when they are done, where they no longer move.
            The shape of a product decides how it is rounded, so this is what keeps a problem from
            depending on when others are done.
    """
    point, direction = _start(space, batch), None
    names = ("weights", "intercept", "logits")
    found = [np.zeros_like(getattr(point, name)) for name in names]
    left = np.arange(len(batch.weights))
    converged = np.zeros(len(left), bool)
    for iteration in range(ITERATIONS + 1):
        direction, gap = _descend(space, batch, point, direction)
        enough = point.penalty + NO_WEIGHTS * point.objective
        rounding = np.finfo(gap.dtype).eps * point.objective / 10
        lost = ~(gap >= 0)[:, 0]
        there = ((gap <= tolerance * enough) | (direction.square <= rounding))[:, 0] & ~lost
        done = there | lost if iteration < ITERATIONS else there | True
        if done.all() or (done.any() and not together):
            error = space.rounding(point.weights, point.penalty)
            there = there & (error <= tolerance * point.objective)[:, 0]
            for whole, name in zip(found, names, strict=True):
                whole[:, left[done]] = getattr(point, name)[:, done]
            converged[left[done]] = there[done]
            if done.all():
                break
            left = left[~done]
            space, batch = space.select(~done), batch.select(~done)
            point, direction, done = point.select(~done), direction.select(~done), done[~done]
        point = _advance(space, batch, point, direction, done)
    return Optimum(found[0], found[1], found[2], converged)


def _start(space: Space, batch: Batch) -> _Point:
    """The start: weights of 0, and intercepts that predict the classes' shares."""
    shares = summed(batch.targets) / summed(batch.weights)
    absent = shares <= 0
    intercept = np.where(absent, ABSENT, np.log(shares + absent))
    logits = np.zeros_like(batch.targets) + intercept
    probabilities, loss = _softmax(batch, logits)
    return _Point(space.zeros(logits), intercept, logits, probabilities, 0 * loss, loss)


def _softmax(batch: Batch, logits: Array) -> tuple[Array, Array]:
    """Probabilities, and the weighted cross-entropy (problem, 1) in nats."""
    logits = logits - logits.max(0)
    probabilities = np.exp(logits)
    total = probabilities.sum(0)
    probabilities /= total
    loss = summed(np.log(total) * batch.weights) - inner(batch.targets, logits)
    return probabilities, loss


def _descend(
    space: Space, batch: Batch, point: _Point, last: _Direction | None
) -> tuple[_Direction, Array]:
    """The next direction, and a bound (problem, 1) on how much the objective can still decrease."""
    least = np.finfo(batch.weights.dtype).tiny
    errors = point.probabilities * batch.weights
    curvature = summed(errors) - summed(errors * point.probabilities)
    curvature = curvature.clip(TINY)
    errors -= batch.targets
    gradient, residual = point.weights + space.gradient(errors), summed(errors)
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
    again = (change / last.square.clip(least)).clip(0)
    slope = space.dot(gradient, last.weights, last.logits) + (residual * last.intercept).sum(0)
    slope = again * slope - square
    again = np.where(slope < 0, again, 0)
    slope = np.where(slope < 0, slope, -square)
    weights = again * last.weights - weights
    intercept = again * last.intercept - intercept
    logits = again * last.logits - logits
    return _Direction(weights, intercept, logits, slope, gradient, residual, square), gap


def _advance(
    space: Space,
    batch: Batch,
    point: _Point,
    direction: _Direction,
    done: npt.NDArray[np.bool_],
) -> _Point:
    """A Newton step along the direction, halved until the objective does not rise.

    Problems that are `done` (problem,) stay where they are.
    """
    logits = direction.logits + direction.intercept
    expected = point.probabilities * logits
    variance = ((expected * logits).sum(0) - expected.sum(0) ** 2).clip(0)
    square = space.dot(direction.weights, direction.weights, direction.logits)
    along = space.dot(point.weights, direction.weights, direction.logits)
    curvature = square + summed(variance * batch.weights)
    length = -direction.slope / curvature.clip(np.finfo(square.dtype).tiny)
    length = np.where(done[:, None], 0, length)
    highest = point.objective * (1 + 8 * np.finfo(length.dtype).eps)
    for _ in range(HALVINGS):
        further = point.logits + length * logits
        probabilities, loss = _softmax(batch, further)
        penalty = point.penalty + length * (along + length * square / 2)
        objective = loss + penalty
        risen = objective > highest
        if not risen.any():
            break
        length = np.where(risen, length / 2, length)
    weights = point.weights + length * direction.weights
    intercept = point.intercept + length * direction.intercept
    return _Point(weights, intercept, further, probabilities, penalty, objective)
