"""Trained heads as torch modules that can be exported to ONNX.

Features (utterance, dim) go in; logits (utterance, class) come out, or numbers (utterance, target)
of a regressor. The modules need plain operators only, so every runtime has them; converters for
scikit-learn write operators of ``ai.onnx.ml``, which OpenVINO lacks.
"""

from collections.abc import Callable
from functools import singledispatch
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from torch import nn

from classify.export.neural import Neural
from classify.heads.neural import NeuralClassifier, NeuralRegressor
from classify.heads.numpy_scores import LinearScores
from classify.heads.trees import Tree, trees_of
from data.errors import UsageError

NEAREST = 1e-12  # cosine distance; nearer neighbours have the same weight


class Formula(nn.Module):
    """A function of a tensor; the tensors that it refers to become constants of the graph."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.forward = function


def tensor(values: npt.ArrayLike) -> torch.Tensor:
    """A constant in float32."""
    return torch.from_numpy(np.asarray(values, np.float32))


def affine(weights: npt.ArrayLike, bias: npt.ArrayLike) -> Formula:
    """x (utterance, dim) @ weights (dim, output) + bias (output,)."""
    factors, summands = tensor(weights), tensor(bias)
    return Formula(lambda x: x @ factors + summands)


def rescale(scale: npt.ArrayLike, shift: npt.ArrayLike = 0.0) -> Formula:
    """x · scale + shift, element-wise."""
    factors, summands = tensor(scale), tensor(shift)
    return Formula(lambda x: x * factors + summands)


class SideBySide(nn.ModuleList):
    """Concatenate the outputs of several modules along the last axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([module(x) for module in self], 1)


@singledispatch
def module_of(head: Any) -> nn.Module:
    """Convert a fitted estimator to a module.

    Raises:
        UsageError: the type of the estimator is not supported.
    """
    raise UsageError(
        f"a head made of {type(head).__name__} cannot be exported; train another, such as "
        "'--head logreg' or '--head mlp'"
    )


@module_of.register
def _(head: LinearScores) -> nn.Module:
    return affine(head.coef_.T, head.intercept_)


@module_of.register
def _(head: Ridge) -> nn.Module:
    return affine(np.atleast_2d(head.coef_).T, head.intercept_)


@module_of.register
def _(head: NeuralClassifier) -> nn.Module:
    return Neural(head)


@module_of.register
def _(head: NeuralRegressor) -> nn.Module:
    return Neural(head, rescale(head.target_scale_, head.target_mean_))


@module_of.register
def _(head: Pipeline) -> nn.Module:
    return nn.Sequential(*(module_of(step) for _, step in head.steps))


@module_of.register
def _(scaler: StandardScaler) -> nn.Module:
    mean, scale = tensor(scaler.mean_), tensor(scaler.scale_)
    return Formula(lambda x: (x - mean) / scale)


@module_of.register
def _(head: TransformedTargetRegressor) -> nn.Module:
    targets = head.transformer_
    return nn.Sequential(module_of(head.regressor_), rescale(targets.scale_, targets.mean_))


@module_of.register
def _(head: MultiOutputRegressor) -> nn.Module:
    return SideBySide(module_of(each) for each in head.estimators_)


@module_of.register
def _(head: CalibratedClassifierCV) -> nn.Module:
    (calibrated,) = head.calibrated_classifiers_
    (scaling,) = calibrated.calibrators
    return nn.Sequential(module_of(calibrated.estimator), rescale(scaling.beta_))


@module_of.register
def _(machine: SVC) -> nn.Module:
    return nn.Sequential(decisions(machine), votes(len(machine.classes_)))


@module_of.register
def _(machine: SVR) -> nn.Module:
    return decisions(machine)


def decisions(machine: SVC | SVR) -> Formula:
    """(utterance, machine) decisions, one for each pair of classes, or numbers of a regression.

    libsvm keeps of each support vector only the weights in the machines of its own class: in row
    j - 1 those against a later class j, in row i those against an earlier class i.
    """
    vectors, weights, bias = machine.support_vectors_.T, machine.dual_coef_.T, machine.intercept_
    if weights.shape[1] > 1:
        classes = len(machine.n_support_)
        owner = np.repeat(np.arange(classes), machine.n_support_)
        pairs = list(combinations(range(classes), 2))
        weights = np.zeros((len(owner), len(pairs)))
        for number, (first, second) in enumerate(pairs):
            of_first, of_second = owner == first, owner == second
            weights[of_first, number] = machine.dual_coef_[second - 1, of_first]
            weights[of_second, number] = machine.dual_coef_[first, of_second]
    if machine.kernel == "linear":
        return affine(vectors @ weights, bias)
    gamma = float(machine._gamma)
    squares = tensor(np.square(vectors).sum(0))
    vectors, weights, bias = map(tensor, (vectors, weights, bias))

    def by_kernel(x: torch.Tensor) -> torch.Tensor:
        distances = x.square().sum(1, keepdim=True) - 2 * (x @ vectors) + squares
        return (-gamma * distances).exp() @ weights + bias

    return Formula(by_kernel)


def votes(classes: int) -> Formula:
    """Decisions between pairs of classes (utterance, pair) as scores (utterance, class).

    Like scikit-learn's ``decision_function_shape="ovr"``: votes, with sums of confidences to break
    ties. Two classes have one decision d, which becomes (-d, d).
    """
    if classes == 2:
        return Formula(lambda decisions: torch.cat([-decisions, decisions], 1))

    one = np.eye(classes)
    pairs = combinations(range(classes), 2)
    sides = tensor([one[first] - one[second] for first, second in pairs])

    def counted(decisions: torch.Tensor) -> torch.Tensor:
        first = (decisions >= 0).float()
        votes = first @ sides.clamp(min=0) + (1 - first) @ (-sides).clamp(min=0)
        confidence = decisions @ sides
        return votes + confidence / (3 * (confidence.abs() + 1))

    return Formula(counted)


@module_of.register
def _(head: KNeighborsClassifier) -> nn.Module:
    shares = neighbours(head, np.eye(len(head.classes_))[head._y])
    return nn.Sequential(shares, Formula(torch.log))


@module_of.register
def _(head: KNeighborsRegressor) -> nn.Module:
    return neighbours(head, head._y.reshape(len(head._y), -1))


def neighbours(fitted: KNeighborsClassifier | KNeighborsRegressor, targets: npt.NDArray) -> Formula:
    """Mean of the targets (known utterance, target) of the nearest neighbours by cosine, weighted
    by distance: (utterance, target)."""

    known = fitted._fit_X / np.linalg.norm(fitted._fit_X, axis=1, keepdims=True)
    directions, of_known = tensor(known.T), tensor(targets)

    def mean(x: torch.Tensor) -> torch.Tensor:
        cosine = x @ directions / x.square().sum(1, keepdim=True).sqrt()
        nearest, rows = cosine.topk(fitted.n_neighbors, 1)
        weights = 1 / (1 - nearest).clamp(min=NEAREST)
        found = (of_known[rows] * weights[..., None]).sum(1)
        return found / weights.sum(1, keepdim=True)

    return Formula(mean)


@module_of.register
def _(head: ExtraTreesClassifier) -> nn.Module:
    return nn.Sequential(ensemble(list(trees_of(head))), Formula(torch.log))


@module_of.register
def _(head: RandomForestRegressor) -> nn.Module:
    return ensemble(list(trees_of(head)))


@module_of.register
def _(head: HistGradientBoostingClassifier) -> nn.Module:
    raw = boosted(head)
    if len(head.classes_) > 2:
        return raw
    second = Formula(lambda lead: torch.cat([torch.zeros_like(lead), lead], 1))
    return nn.Sequential(raw, second)


@module_of.register
def boosted(head: HistGradientBoostingRegressor) -> nn.Module:
    return nn.Sequential(
        ensemble(list(trees_of(head))), rescale(1.0, head._baseline_prediction.reshape(-1))
    )


def ensemble(trees: list[Tree]) -> Formula:
    """x (utterance, dim) → the sum of the leaves' values (utterance, output), of all trees at once.

    The tree traversal of Nakandala et al. 2020, A Tensor Compiler for Unified Machine Learning
    Prediction Serving (arXiv 2010.04804), section 4.1.
    """
    first = np.cumsum([0, *(len(tree.leaf) for tree in trees[:-1])])
    leaf, feature, threshold, value = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("leaf", "feature", "threshold", "value")
    )
    nodes = np.arange(len(leaf))

    def children(name: str) -> torch.Tensor:
        own = [
            getattr(tree, name).astype(np.int64) + n for tree, n in zip(trees, first, strict=True)
        ]
        return torch.from_numpy(np.where(leaf, nodes, np.concatenate(own)))  # a leaf is its own

    roots, features = torch.from_numpy(first), torch.from_numpy(np.where(leaf, 0, feature))
    left, right = children("left"), children("right")
    thresholds, values = tensor(rounded_down(threshold)), tensor(value)
    depth = max(tree.depth for tree in trees)

    def leaves(x: torch.Tensor) -> torch.Tensor:
        node = roots.expand(x.shape[0], -1)
        for _ in range(depth):
            goes_left = x.gather(1, features[node]) <= thresholds[node]
            node = torch.where(goes_left, left[node], right[node])
        return values[node].sum(1)

    return Formula(leaves)


def rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 up to each threshold: float32 features compare with it the same."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
