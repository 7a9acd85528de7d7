"""Support vectors and nearest neighbours as torch modules."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR
from torch import nn

from classify.export.modules import tensor

NEAREST = 1e-12  # cosine distance; nearer neighbours have the same weight


class Kernel(nn.Module):
    """The decisions of a support vector machine with RBF kernel: (utterance, machine)."""

    vectors: torch.Tensor
    squares: torch.Tensor
    weights: torch.Tensor
    bias: torch.Tensor

    def __init__(self, machine: SVC | SVR) -> None:
        super().__init__()
        vectors, gamma = machine.support_vectors_, machine._gamma
        weights, bias = machines(machine)
        self.gamma = float(gamma)
        self.register_buffer("vectors", tensor(vectors.T))
        self.register_buffer("squares", tensor(np.square(vectors).sum(1)))
        self.register_buffer("weights", tensor(weights))
        self.register_buffer("bias", tensor(bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        distances = x.square().sum(1, keepdim=True) - 2 * (x @ self.vectors) + self.squares
        return (-self.gamma * distances).exp() @ self.weights + self.bias


def machines(fitted: SVC | SVR) -> tuple[npt.NDArray, npt.NDArray]:
    """Weights (support vector, machine) and bias (machine,): one machine for each pair of classes,
    or for a regression.

    libsvm keeps of each support vector only the weights in the machines of its own class: in row
    j - 1 those against a later class j, in row i those against an earlier class i.
    """
    if fitted.dual_coef_.shape[0] == 1:
        return fitted.dual_coef_.T, fitted.intercept_
    classes = len(fitted.n_support_)
    owner = np.repeat(np.arange(classes), fitted.n_support_)
    pairs = list(combinations(range(classes), 2))
    weights = np.zeros((len(owner), len(pairs)))
    for number, (first, second) in enumerate(pairs):
        of_first, of_second = owner == first, owner == second
        weights[of_first, number] = fitted.dual_coef_[second - 1, of_first]
        weights[of_second, number] = fitted.dual_coef_[first, of_second]
    return weights, fitted.intercept_


class Votes(nn.Module):
    """Decisions between pairs of classes (utterance, pair) as scores (utterance, class).

    Like scikit-learn's ``decision_function_shape="ovr"``: votes, with sums of confidences to break
    ties. Two classes have one decision d, which becomes (-d, d).
    """

    sides: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        pairs = list(combinations(range(classes), 2))
        sides = np.zeros((len(pairs), classes))
        for number, (first, second) in enumerate(pairs):
            sides[number, [first, second]] = 1, -1
        self.two = classes == 2
        self.register_buffer("sides", tensor(sides))

    def forward(self, decisions: torch.Tensor) -> torch.Tensor:
        if self.two:
            return torch.cat([-decisions, decisions], 1)
        first = (decisions >= 0).float()
        votes = first @ self.sides.clamp(min=0) + (1 - first) @ (-self.sides).clamp(min=0)
        confidence = decisions @ self.sides
        return votes + confidence / (3 * (confidence.abs() + 1))


class Neighbours(nn.Module):
    """Mean of the targets of the nearest neighbours by cosine, weighted by distance: probabilities
    (utterance, class) or numbers (utterance, target)."""

    known: torch.Tensor
    targets: torch.Tensor

    def __init__(self, fitted: KNeighborsClassifier | KNeighborsRegressor) -> None:
        super().__init__()
        known = fitted._fit_X / np.linalg.norm(fitted._fit_X, axis=1, keepdims=True)
        targets = fitted._y.reshape(len(known), -1)
        if isinstance(fitted, KNeighborsClassifier):
            targets = np.eye(len(fitted.classes_))[fitted._y]
        self.count = fitted.n_neighbors
        self.register_buffer("known", tensor(known.T))
        self.register_buffer("targets", tensor(targets))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cosine = x @ self.known / x.square().sum(1, keepdim=True).sqrt()
        nearest, rows = cosine.topk(self.count, 1)
        weights = 1 / (1 - nearest).clamp(min=NEAREST)
        found = (self.targets[rows] * weights[..., None]).sum(1)
        return found / weights.sum(1, keepdim=True)
