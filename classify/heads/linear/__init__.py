"""Linear heads as scikit-learn estimators, which can also fit all folds at once.

They standardise the features of each fold by its training part alone.
"""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from classify.heads import NoOptimum, require_C
from classify.heads.linear import closed_form
from classify.heads.linear.batched import DEFAULT_C, log_probabilities
from classify.heads.linear.logistic import Batch, minimise
from classify.heads.linear.problems import Problems
from classify.heads.linear.spaces import Array, FeatureSpace
from classify.heads.numpy_scores import LinearScores, Matrix
from classify.heads.standardize import scaling


class LinearHead(LinearScores, ClassifierMixin, BaseEstimator):
    """Base class of `SoftmaxRegression`, `Ridge` and `LDA`."""

    name: ClassVar[str]  # in `classify.heads.linear.batched`
    C: float

    def fold_probabilities(
        self, X: npt.NDArray[np.floating], y: npt.NDArray[np.integer], train: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        """Fit many training parts at once; return probabilities (fold, utterance, class).

        Args:
            X: (utterance, dim).
            y: (utterance,) class numbers from 0.
            train: (fold, utterance) what each fold is fitted to.
        """
        problems = Problems(train, y, int(y.max()) + 1, self.C)
        return np.exp(log_probabilities(self.name, X, problems))

    def _scores(self, X: npt.ArrayLike) -> Matrix:
        check_is_fitted(self)
        return validate_data(self, X, reset=False) @ self.coef_.T + self.intercept_

    def _labelled(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Matrix, npt.NDArray[np.intp]]:
        """Verified features (utterance, dim) and class numbers (utterance,)."""
        matrix, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"got one class, {self.classes_[0]!r}; expected two or more")
        require_C("C =", self.C)
        return matrix, numbers

    def _keep(self, weights: Array, intercept: Array, mean: Array, scale: Array) -> Self:
        """Store weights (class, dim) of the standardised features."""
        self.coef_ = weights / scale
        self.intercept_ = intercept - self.coef_ @ mean
        return self


class SoftmaxRegression(LinearHead):
    """Multinomial logistic regression with an L2 penalty: the optimum of scikit-learn's.

    Equal to `make_pipeline(StandardScaler(), LogisticRegression(C=C))`.

    Args:
        C: inverse strength of the penalty; a small one suits features that outnumber utterances.
        class_weight: None, "balanced" or {label: weight}, as in scikit-learn.
        tol: the weights may be off by the root of this, as a share of their norm.
    """

    name = "logreg"

    def __init__(
        self,
        C: float = DEFAULT_C["logreg"],
        class_weight: dict | str | None = None,
        tol: float = 1e-8,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.tol = tol

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Fit to X (utterance, dim) and y (utterance,).

        Args:
            sample_weight: (utterance,) how often each utterance counts, for the scale too.
        """
        matrix, labels = self._labelled(X, y)
        counts = _check_sample_weight(sample_weight, matrix, dtype=np.float64)
        mean, scale, _ = scaling(matrix, counts[None])
        of_class = compute_class_weight(
            self.class_weight, classes=self.classes_, y=self.classes_[labels], sample_weight=counts
        )
        Z = (matrix - mean[0]) / scale[0]
        batch = Batch.of(
            labels[None], len(self.classes_), (counts * of_class[labels])[None], np.array([self.C])
        )
        space = FeatureSpace.of(Z)
        weights, intercept, _, converged = minimise(space, batch, self.tol)
        if not converged.all():
            raise NoOptimum.by_C(self.C)
        intercept -= intercept[(batch.targets > 0).any(-1)].mean()  # any constant does as well
        return self._keep(weights[:, 0], intercept[:, 0, 0], mean[0], scale[0])


class _ClosedForm(LinearHead):
    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Fit to X (utterance, dim) and y (utterance,)."""
        matrix, labels = self._labelled(X, y)
        mean, scale, _ = scaling(matrix, np.ones((1, len(matrix))))
        Z = (matrix - mean[0]) / scale[0]
        fit = getattr(closed_form, self.name)
        weights, intercept = fit(Z, closed_form.gram(Z), labels, len(self.classes_), self.C)
        return self._keep(weights, intercept, mean[0], scale[0])


class Ridge(_ClosedForm):
    """Ridge regression to 1 for an utterance's class and -1 for all others.

    Decides as `make_pipeline(StandardScaler(), RidgeClassifier(alpha=1 / C))`; its probabilities
    are the softmax of its scores and not calibrated.

    Args:
        C: inverse strength of the penalty.
    """

    name = "ridge"

    def __init__(self, C: float = DEFAULT_C["ridge"]) -> None:
        self.C = C


class LDA(_ClosedForm):
    """Linear discriminant analysis with a shrunk covariance.

    Equal to scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1 / (1 + C))` after
    `StandardScaler`.

    Args:
        C: how much the covariance within classes weighs against a sphere of the same trace.
    """

    name = "lda"

    def __init__(self, C: float = DEFAULT_C["lda"]) -> None:
        self.C = C
