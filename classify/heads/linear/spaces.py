"""Parametrisations of linear weights: by feature, or as sums of training utterances.

A space computes the logits of weights, the step of a gradient, and the norm of weights. Axes:
(class, problem, dim) for weights, (class, problem, utterance) for logits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]  # float32 or float64

RANK = 48  # principal directions that the preconditioner knows
NEGLIGIBLE = 1e-4  # share of the first eigenvalue; directions below it are left out


@dataclass(frozen=True)
class FeatureSpace:
    """Weights of features that all problems share.

    `precondition` takes a gradient and the mean curvature of the classes (class, problem, 1), and
    gives the step, its logits and the squared norm of the gradient (problem, 1). `dot` is the inner
    product (problem, 1) of two sets of weights, the second with its logits.
    """

    X: Array  # (utterance, dim)
    transposed: Array  # (dim, utterance) in memory: a product takes two thirds of the time of X.T
    directions: Array  # (direction, dim) orthonormal
    eigenvalues: Array  # (direction,) mean square of X along them

    @classmethod
    def of(cls, X: Array) -> Self:
        """A space of the training part X (utterance, dim), standardised."""
        return cls(X, np.ascontiguousarray(X.T), *_principal(X))

    def select(self, problems: npt.NDArray[np.bool_]) -> Self:
        return self

    def zeros(self, like: Array) -> Array:
        """Weights of 0, for logits with the shape of `like`."""
        return np.zeros((*like.shape[:2], self.X.shape[1]), like.dtype)

    def logits(self, weights: Array) -> Array:
        """Logits, without intercept."""
        return product(weights, self.transposed)

    def gradient(self, residuals: Array) -> Array:
        """Derivative by the weights of a function with these derivatives by the logits."""
        return product(residuals, self.X)

    def precondition(self, gradient: Array, curvature: Array) -> tuple[Array, Array, Array]:
        shrunk = product(gradient, self.directions.T) * _shrinkage(curvature * self.eigenvalues)
        step = gradient - product(shrunk, self.directions)
        return step, self.logits(step), inner(gradient, gradient)

    def dot(self, first: Array, second: Array, logits: Array) -> Array:
        return inner(first, second)

    def rounding(self, weights: Array, penalty: Array) -> Array:
        """(problem, 1) error by rounding of the penalty, half the squared norm of the weights."""
        return 0 * penalty

    def of_features(self, weights: Array) -> Array:
        """Weights by feature."""
        return weights


@dataclass(frozen=True)
class FoldedSpace(FeatureSpace):
    """Like `FeatureSpace`, with a mean and a scale for each problem that are folded into the
    weights."""

    mean: Array  # (problem, dim) of the problem's training part
    inverse: Array  # (problem, dim) 1 / scale, likewise

    @classmethod
    def within(cls, X: Array, common: npt.NDArray[np.bool_], mean: Array, inverse: Array) -> Self:
        """A space of the features X (utterance, dim), roughly standardised.

        Args:
            common: (utterance,) whether all problems train on it; these precondition.
        """
        return cls(X, np.ascontiguousarray(X.T), *_principal(X[common]), mean, inverse)

    def select(self, problems: npt.NDArray[np.bool_]) -> Self:
        return replace(self, mean=self.mean[problems], inverse=self.inverse[problems])

    def logits(self, weights: Array) -> Array:
        weights = weights * self.inverse
        shift = np.einsum("kpd,pd->kp", weights, self.mean)
        return product(weights, self.transposed) - shift[..., None]

    def gradient(self, residuals: Array) -> Array:
        found = product(residuals, self.X)
        found -= summed(residuals) * self.mean
        found *= self.inverse
        return found


@dataclass(frozen=True)
class GramSpace:
    """Weights as sums of training utterances: for problems that share a training part.

    A set of weights Σᵢ aᵢ zᵢ is held as a, in which the gradient is the residuals themselves: one
    product with the Gram matrix a step instead of two with the features. The methods are those of
    `FeatureSpace`.
    """

    X: Array  # (utterance, dim)
    G: Array  # (utterance, utterance) inner products of the features
    directions: Array  # (direction, utterance) whose sums of utterances are orthonormal
    products: Array  # (direction, utterance) theirs with G
    eigenvalues: Array  # (direction,) mean square of the features along them

    @classmethod
    def of(cls, X: Array) -> Self:
        G = X @ X.T
        vectors, eigenvalues = leading(lambda Q: G @ Q, len(G), G.dtype)
        some = eigenvalues > NEGLIGIBLE * eigenvalues[-1]
        vectors, eigenvalues = vectors[some], eigenvalues[some]
        directions = vectors / eigenvalues[:, None] ** 0.5
        return cls(X, G, directions, directions @ G, eigenvalues / len(G))

    def select(self, problems: npt.NDArray[np.bool_]) -> Self:
        return self

    def zeros(self, like: Array) -> Array:
        return np.zeros_like(like)

    def gradient(self, residuals: Array) -> Array:
        return residuals

    def precondition(self, gradient: Array, curvature: Array) -> tuple[Array, Array, Array]:
        logits = product(gradient, self.G)
        square = inner(gradient, logits)
        shrunk = product(gradient, self.products.T) * _shrinkage(curvature * self.eigenvalues)
        step = gradient - product(shrunk, self.directions)
        return step, logits - product(shrunk, self.products), square

    def dot(self, first: Array, second: Array, logits: Array) -> Array:
        return inner(first, logits)

    def rounding(self, weights: Array, penalty: Array) -> Array:
        """As of `FeatureSpace`, by computing the penalty from the features.

        Coefficients of utterances whose sum cancels out can grow without a change of the weights,
        until rounding in `G` spoils the penalty of a point.
        """
        found = product(weights, self.X)
        return abs(inner(found, found) / 2 - penalty)

    def of_features(self, weights: Array) -> Array:
        return product(weights, self.X)


Space = FeatureSpace | GramSpace


def _principal(X: Array) -> tuple[Array, Array]:
    """The leading principal directions (direction, dim) of X, and the mean square along each."""
    return leading(lambda Q: X.T @ (X @ Q) / len(X), X.shape[1], X.dtype)


def leading(operator: Callable[[Array], Array], dim: int, dtype: np.dtype) -> tuple[Array, Array]:
    """The leading eigenvectors (direction, dim) and eigenvalues of a positive operator, roughly.

    The range of the operator is found by random vectors (Halko, Martinsson and Tropp 2011, Finding
    Structure with Randomness, algorithm 4.1). Another round of iteration spares 3 % of the steps of
    a fit, and costs more than they do.
    """
    random = np.random.default_rng(0).standard_normal((dim, min(RANK, dim)))
    basis = np.linalg.qr(operator(random.astype(dtype)))[0]
    eigenvalues, rotation = np.linalg.eigh(basis.T @ operator(basis))
    return (basis @ rotation).T, eigenvalues.clip(0)


def product(left: Array, right: Array) -> Array:
    """(class, problem, a) by (a, b) in one product of matrices."""
    classes, problems, length = left.shape
    flat = left.reshape(classes * problems, length) @ right
    return flat.reshape(classes, problems, right.shape[1])


def summed(values: Array) -> Array:
    """Sums over the last axis, which stays."""
    return values.sum(-1, keepdims=True)


def inner(first: Array, second: Array) -> Array:
    """(problem, 1) sums over the other axes of a product."""
    return np.einsum("kpd,kpd->p", first, second)[:, None]


def _shrinkage(stretch: Array) -> Array:
    """1 - 1 / (1 + stretch), without cancellation."""
    return stretch / (1 + stretch)
