"""Trained heads as torch modules that can be exported to ONNX.

Features (utterance, dim) go in; logits (utterance, class) come out, or numbers (utterance, target)
of a regressor. The modules need plain operators only, so every runtime has them; converters for
scikit-learn write operators of ``ai.onnx.ml``, which OpenVINO lacks.
"""

from functools import singledispatch
from typing import Any

import numpy as np
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

from classify.export.classical import Kernel, Neighbours, Votes, machines
from classify.export.modules import Affine, Log, Rescale, SideBySide, Standardise
from classify.export.neural import Neural
from classify.export.trees import Trees
from classify.heads.linear_scores import LinearScores
from classify.heads.neural import NeuralClassifier, NeuralRegressor
from classify.heads.trees import trees_of
from data.errors import UsageError


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
    return Affine(head.coef_.T, head.intercept_)


@module_of.register
def _(head: Ridge) -> nn.Module:
    return Affine(np.atleast_2d(head.coef_).T, head.intercept_)


@module_of.register
def _(head: NeuralClassifier) -> nn.Module:
    return Neural(head)


@module_of.register
def _(head: NeuralRegressor) -> nn.Module:
    return Neural(head, Rescale(head.target_scale_, head.target_mean_))


@module_of.register
def _(head: Pipeline) -> nn.Module:
    return nn.Sequential(*(module_of(step) for _, step in head.steps))


@module_of.register
def _(scaler: StandardScaler) -> nn.Module:
    return Standardise(scaler.mean_, scaler.scale_)


@module_of.register
def _(head: TransformedTargetRegressor) -> nn.Module:
    targets = head.transformer_
    return nn.Sequential(module_of(head.regressor_), Rescale(targets.scale_, targets.mean_))


@module_of.register
def _(head: MultiOutputRegressor) -> nn.Module:
    return SideBySide(module_of(each) for each in head.estimators_)


@module_of.register
def _(head: CalibratedClassifierCV) -> nn.Module:
    (calibrated,) = head.calibrated_classifiers_
    (scaling,) = calibrated.calibrators
    return nn.Sequential(module_of(calibrated.estimator), Rescale(scaling.beta_))


@module_of.register
def _(machine: SVC) -> nn.Module:
    return nn.Sequential(_decisions(machine), Votes(len(machine.classes_)))


@module_of.register
def _(machine: SVR) -> nn.Module:
    return _decisions(machine)


def _decisions(machine: SVC | SVR) -> nn.Module:
    if machine.kernel == "linear":
        weights, bias = machines(machine)
        return Affine(machine.support_vectors_.T @ weights, bias)
    return Kernel(machine)


@module_of.register
def _(head: KNeighborsClassifier) -> nn.Module:
    return nn.Sequential(Neighbours(head), Log())


@module_of.register
def _(head: KNeighborsRegressor) -> nn.Module:
    return Neighbours(head)


@module_of.register
def _(head: ExtraTreesClassifier) -> nn.Module:
    return nn.Sequential(Trees(trees_of(head)), Log())


@module_of.register
def _(head: RandomForestRegressor) -> nn.Module:
    return Trees(trees_of(head))


@module_of.register
def _(head: HistGradientBoostingClassifier) -> nn.Module:
    raw = _boosted(head)
    return nn.Sequential(raw, Second()) if len(head.classes_) == 2 else raw


@module_of.register
def _(head: HistGradientBoostingRegressor) -> nn.Module:
    return _boosted(head)


class Second(nn.Module):
    """Logits of two classes from the score of the second."""

    def forward(self, lead: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(lead), lead], 1)


def _boosted(head: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> nn.Module:
    return nn.Sequential(Trees(trees_of(head)), Rescale(1.0, head._baseline_prediction.reshape(-1)))
