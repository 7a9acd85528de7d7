"""A fitted linear head: scores and probabilities of classes. Needs NumPy only, so that a prediction
does not wait for scikit-learn.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


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
