"""Neural heads as scikit-learn estimators: they work with `clone`, pipelines and searches.

How they read X (utterance, layer · step · dim) and train: `classify.heads.neural.base`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from torch.nn import functional as F

from classify.heads.neural import networks
from classify.heads.neural.base import Matrix, NeuralHead, Weights
from classify.heads.neural.training import NOTHING, Scores
from classify.heads.standardize import scaling


@dataclass(eq=False, repr=False)
class NeuralClassifier(ClassifierMixin, NeuralHead):
    """Base class of the neural classifiers.

    Args:
        label_smoothing: share of the target's probability that is spread over all classes (Szegedy
            et al. 2016, Rethinking the Inception Architecture, section 7).
        class_weight: None, "balanced" or {label: weight}, as in scikit-learn.

    Attributes:
        classes_: (class,) labels, sorted.

    The rest is as in `NeuralHead`.
    """

    label_smoothing: float = 0.1
    class_weight: dict | str | None = None

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(utterance, class) probabilities."""
        logits = self._applied(lambda x, mask: self.network_(x, mask), X)
        return softmax(logits, axis=1)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray:
        """(utterance,) the most probable class."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def restore(self, classes: Sequence[str], tensors: Mapping[str, npt.NDArray]) -> Self:
        """Load the tensors of another head with the same parameters.

        Raises:
            KeyError, RuntimeError, ValueError: the tensors are not those of such a head.
        """
        self.classes_ = np.array(classes)
        return self._restored(tensors, len(classes))

    def _loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Cross-entropy in nats; targets are shares of the classes."""
        uniform = torch.full_like(target, 1 / target.shape[-1])
        smoothed = target.lerp(uniform, self.label_smoothing)
        return -(smoothed * outputs.log_softmax(-1)).sum(-1)

    def _scores(self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> Scores:
        truth = target.argmax(-1)
        counted = F.one_hot(truth, target.shape[-1]) * weight[..., None]
        support = counted.sum(1)  # (replica, class)
        hits = (counted * (outputs.argmax(-1) == truth)[..., None]).sum(1)
        total = support.sum(1).clamp(min=NOTHING)
        losses = -(target * outputs.log_softmax(-1)).sum(-1)
        recall = hits / support.clamp(min=NOTHING)
        return {
            "loss": (losses * weight).sum(1) / total,
            "accuracy": hits.sum(1) / total,
            "uar": recall.sum(1) / (support > 0).sum(1).clamp(min=1),
        }

    def _verified(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Matrix, npt.NDArray]:
        matrix, labels = validate_data(self, X, y, dtype=np.float32, ensure_all_finite=self._finite)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"got one class, {self.classes_[0]!r}; expected two or more")
        return matrix, numbers

    def _goal(
        self, target: npt.NDArray, weight: Weights, train: npt.NDArray[np.bool_]
    ) -> tuple[Matrix, Weights]:
        present = np.bincount(target[train], minlength=len(self.classes_)) > 0
        of_class = np.ones(len(self.classes_), np.float32)
        of_class[present] = compute_class_weight(
            self.class_weight,
            classes=self.classes_[present],
            y=self.classes_[target[train]],
            sample_weight=weight[train],
        )
        return np.eye(len(self.classes_), dtype=np.float32)[target], weight * of_class[target]


@dataclass(eq=False, repr=False)
class NeuralRegressor(RegressorMixin, NeuralHead):
    """Base class of the neural regressors, for y (utterance, target) or (utterance,).

    Attributes:
        target_mean_, target_scale_: (target,) the standardisation of the targets.

    The rest is as in `NeuralHead`.
    """

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(utterance, target), or (utterance,) where one was fitted as such."""
        found = self._applied(lambda x, mask: self.network_(x, mask), X)
        found = found * self.target_scale_ + self.target_mean_
        return found[:, 0] if self.flat_ else found

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that was learned, by name; `restore` is the way back."""
        mean, scale = map(torch.from_numpy, (self.target_mean_, self.target_scale_))
        return {**super().tensors(), "target_mean": mean, "target_scale": scale}

    def restore(self, classes: Sequence[str], tensors: Mapping[str, npt.NDArray]) -> Self:
        """Load the tensors of another regressor with the same parameters; `classes` is not used.

        Raises:
            KeyError, RuntimeError, ValueError: the tensors are not those of such a head.
        """
        self.target_mean_, self.target_scale_ = tensors["target_mean"], tensors["target_scale"]
        self.flat_ = False
        return self._restored(tensors, len(self.target_mean_))

    def _loss(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the standardised numbers."""
        return (outputs - target).square().mean(-1)

    def _scores(self, outputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> Scores:
        total = weight.sum(1).clamp(min=NOTHING)
        return {"loss": (self._loss(outputs, target) * weight).sum(1) / total}

    def _verified(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Matrix, npt.NDArray]:
        matrix, target = validate_data(
            self,
            X,
            y,
            dtype=np.float32,
            ensure_all_finite=self._finite,
            multi_output=True,
            y_numeric=True,
        )
        self.flat_ = target.ndim == 1
        return matrix, target.reshape(len(target), -1).astype(np.float64)

    def _goal(
        self, target: npt.NDArray, weight: Weights, train: npt.NDArray[np.bool_]
    ) -> tuple[Matrix, Weights]:
        scaled = scaling(target, (train * weight)[None])
        self.target_mean_ = scaled.mean[0]
        self.target_scale_ = np.where(scaled.constant[0], 0.0, scaled.scale[0])
        return scaled.of(target).astype(np.float32), weight


class MLP(NeuralClassifier):
    """A perceptron with one hidden layer on a softmax mix of the layers."""

    network = networks.Perceptron
    sequential = False


@dataclass(eq=False, repr=False)
class GRU(NeuralClassifier):
    """A bidirectional GRU over the steps, its outputs averaged."""

    network = networks.Recurrent

    hidden: int = 128


class Attention(NeuralClassifier):
    """Attentive statistics pooling over the steps."""

    network = networks.Attentive


class Transformer(NeuralClassifier):
    """Self-attention over the steps with a class token."""

    network = networks.Transformer


class MLPRegressor(NeuralRegressor):
    """As `MLP`, of numbers."""

    network = networks.Perceptron
    sequential = False


@dataclass(eq=False, repr=False)
class GRURegressor(NeuralRegressor):
    """As `GRU`, of numbers."""

    network = networks.Recurrent

    hidden: int = 128


class AttentionRegressor(NeuralRegressor):
    """As `Attention`, of numbers."""

    network = networks.Attentive


class TransformerRegressor(NeuralRegressor):
    """As `Transformer`, of numbers."""

    network = networks.Transformer
