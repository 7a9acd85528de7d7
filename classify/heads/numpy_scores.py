"""Fitted heads that predict by NumPy alone, so that a prediction does not wait for scikit-learn and
torch.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
PERCEPTRON = {"mean", "scale", "network.mix.logits", "network.hidden.weight", "network.hidden.bias",
           "network.out.weight", "network.out.bias"}  # fmt: skip


def softmax(scores: npt.NDArray) -> npt.NDArray:
    """Softmax over the last axis."""
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


class LinearScores:
    """Scores of classes that are linear in the features.

    Attributes:
        classes_: (class,) labels, sorted.
        coef_: (class, dim) weights of the features as they are, not standardised.
        intercept_: (class,)
        n_features_in_: dim.
    """

    classes_: npt.NDArray
    coef_: Matrix
    intercept_: Matrix
    n_features_in_: int

    def decision_function(self, X: npt.ArrayLike) -> Matrix:
        """(utterance, class) scores; of two classes (utterance,), by how much the second leads."""
        scores = self._scores(X)
        return scores if len(self.classes_) > 2 else scores[:, 1] - scores[:, 0]

    def predict_proba(self, X: npt.ArrayLike) -> Matrix:
        """(utterance, class) probabilities: the softmax of the scores."""
        return softmax(self._scores(X))

    def predict(self, X: npt.ArrayLike) -> npt.NDArray:
        """(utterance,) the most probable class."""
        best = self._scores(X).argmax(1)
        return self.classes_[best]

    def tensors(self) -> dict[str, Matrix]:
        """Everything that was learned, by name; `restore` is the way back."""
        return {"coef": self.coef_, "intercept": self.intercept_}

    def restore(self, classes: npt.ArrayLike, tensors: Mapping[str, npt.NDArray]) -> Self:
        """Load the tensors of another linear head.

        Raises:
            KeyError, ValueError: the tensors are not those of a linear head for these classes.
        """
        names = np.array(classes)
        coef, intercept = tensors["coef"], tensors["intercept"]
        if (
            len(tensors) > 2
            or coef.ndim != 2
            or len(coef) != len(names)
            or intercept.shape != (len(names),)
        ):
            raise ValueError("its tensors are not coef (class, dim) and intercept (class,)")
        self.classes_, self.n_features_in_ = names, coef.shape[1]
        self.coef_, self.intercept_ = coef.astype(np.float64), intercept.astype(np.float64)
        return self

    def _scores(self, X: npt.ArrayLike) -> Matrix:
        return np.asarray(X) @ self.coef_.T + self.intercept_


class PerceptronScores:
    """Probabilities of a `classify.heads.neural.MLP` on pooled layers: one hidden layer on a
    softmax mix of the layers.

    Attributes:
        classes_: (class,) labels, sorted.
        n_features_in_: layer · dim.
        steps: 1, since the layers are pooled.
    """

    classes_: npt.NDArray
    n_features_in_: int
    steps = 1

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(utterance, class) probabilities."""
        layers = np.asarray(X, np.float32).reshape(-1, *self._mean.shape)
        mixed = np.tensordot((layers - self._mean) / self._scale, self._mix, axes=(1, 0))
        hidden = np.maximum(mixed @ self._hidden[0] + self._hidden[1], 0)
        return softmax((hidden @ self._out[0] + self._out[1]).astype(np.float64))

    def restore(self, classes: Sequence[str], tensors: Mapping[str, npt.NDArray]) -> Self:
        """Load the tensors of an MLP.

        Raises:
            KeyError, ValueError: the tensors are not those of an MLP for these classes.
        """
        if unknown := sorted(tensors.keys() - PERCEPTRON):
            raise ValueError(f"unknown tensor {unknown[0]}")
        if not all(array.dtype == np.float32 and np.isfinite(array).all()
                   for array in tensors.values()):  # fmt: skip
            raise ValueError("its tensors are not float32, or hold NaN or infinity")
        self._mean, self._scale = tensors["mean"][:, 0], tensors["scale"][:, 0]  # (layer, dim)
        self._mix = softmax(tensors["network.mix.logits"])[0]
        self._hidden, self._out = (
            (tensors[f"network.{name}.weight"][0], tensors[f"network.{name}.bias"][0, 0])
            for name in ("hidden", "out")
        )
        layer, dim = self._mean.shape
        hidden = len(self._hidden[1])
        found = [array.shape for array in (self._scale, self._mix, *self._hidden, *self._out)]
        expected = [(layer, dim), (layer,), (dim, hidden), (hidden,), (hidden, len(classes)),
                    (len(classes),)]  # fmt: skip
        if found != expected:
            raise ValueError(f"its tensors have the shapes {found}; expected {expected}")
        self.classes_, self.n_features_in_ = np.array(classes), layer * dim
        return self
