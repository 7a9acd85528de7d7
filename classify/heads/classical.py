"""Heads from scikit-learn.

Heads that depend on distances are pipelines with a scaler, which is fitted to the training part
together with the head. Trees need no scaler. Regressors fit X (utterance, dim) and
y (utterance, target); several targets share the features and nothing else. Each fit uses one
thread, since folds run in parallel.
``docs/heads.md`` explains sources and defaults.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
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
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from classify.heads.linear.batched import DEFAULT_C

MOST_STEPS = 10_000_000  # of a support vector machine, as libsvm has it; then it does not converge

ClassWeight = Mapping[str, float] | str | None  # None, "balanced" or {label: weight}
Randomness = int | np.random.RandomState | None


class WeightedPipeline(Pipeline):
    """A pipeline that passes sample weights to all steps."""

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Fit to X (utterance, dim) and y (utterance,).

        Args:
            sample_weight: (utterance,) how much each utterance counts, for the scaler too.
        """
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        each = {f"{step}__{name}": w for step, _ in self.steps for name, w in weights.items()}
        return super().fit(X, y, **each)


def svm(C: float = 1.0, class_weight: ClassWeight = None) -> WeightedPipeline:
    """Support vector machine with RBF kernel."""
    return _calibrated(SVC(C=C, class_weight=class_weight, max_iter=MOST_STEPS))


def linear_svm(
    C: float = DEFAULT_C["logreg"], class_weight: ClassWeight = None
) -> WeightedPipeline:
    """Support vector machine with linear kernel, one machine for each pair of classes.

    With the same C, it differs from logistic regression only in its loss. `LinearSVC` is slower if
    there are more features than utterances, and fits one class against the rest.
    """
    machine = SVC(C=C, kernel="linear", class_weight=class_weight, max_iter=MOST_STEPS)
    return _calibrated(machine)


def knn(n_neighbors: int = 10) -> Pipeline:
    """Nearest neighbours by cosine, weighted by distance."""
    neighbours = KNeighborsClassifier(n_neighbors, weights="distance", metric="cosine")
    return make_pipeline(StandardScaler(), neighbours)


def forest(
    n_estimators: int = 300,
    max_features: str | float = "sqrt",
    min_samples_leaf: int = 1,
    class_weight: ClassWeight = None,
    random_state: Randomness = None,
) -> ExtraTreesClassifier:
    """Extremely randomised trees (Geurts et al. 2006, Extremely randomized trees).

    It is as good as a random forest with bootstrap and optimal thresholds, in half of the time.
    """
    return ExtraTreesClassifier(
        n_estimators,
        max_features=max_features,
        min_samples_leaf=min_samples_leaf,
        class_weight=class_weight,
        random_state=random_state,
        n_jobs=1,
    )


def boosting(
    max_iter: int = 100,
    learning_rate: float = 0.1,
    class_weight: ClassWeight = None,
    random_state: Randomness = None,
) -> HistGradientBoostingClassifier:
    """Gradient boosting of small trees on binned features (Ke et al. 2017, LightGBM).

    Each split uses a sample of the features, as in a forest (Chen and Guestrin 2016, XGBoost,
    section 2.3). The number of trees is fixed, because early stopping would not hold out whole
    speakers.
    """
    return HistGradientBoostingClassifier(
        max_iter=max_iter,
        learning_rate=learning_rate,
        max_leaf_nodes=6,
        min_samples_leaf=5,
        max_features=0.05,
        max_bins=63,
        early_stopping=False,
        class_weight=class_weight,
        random_state=random_state,
    )


def _calibrated(machine: SVC) -> WeightedPipeline:
    """`machine` on standardised features, with calibrated probabilities.

    Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks) keeps the
    decision of `SVC(break_ties=True)`, unlike Platt's sigmoids.
    """
    calibrated = CalibratedClassifierCV(machine, method="temperature", ensemble=False, cv=3)
    return WeightedPipeline([("standardscaler", StandardScaler()), ("machine", calibrated)])


def ridge_regressor(alpha: float = 1000.0) -> TransformedTargetRegressor:
    """Ridge regression, regularised as the classifier."""
    return standardised(Ridge(alpha))


def svm_regressor(C: float = 1.0, epsilon: float = 0.1) -> TransformedTargetRegressor:
    """Support vector regression with RBF kernel.

    Args:
        C: inverse strength of the regularisation.
        epsilon: errors below it have no loss; in standard deviations of the target.
    """
    return standardised(MultiOutputRegressor(SVR(C=C, epsilon=epsilon)))


def knn_regressor(n_neighbors: int = 10) -> TransformedTargetRegressor:
    """Mean of the nearest neighbours by cosine, the nearer counting more."""
    return standardised(KNeighborsRegressor(n_neighbors, weights="distance", metric="cosine"))


def forest_regressor(
    n_estimators: int = 100, random_state: int | None = None
) -> TransformedTargetRegressor:
    """Random forests (Breiman 2001, Random Forests); the root of the features at each split."""
    trees = RandomForestRegressor(
        n_estimators, max_features="sqrt", min_samples_leaf=5, random_state=random_state
    )
    return standardised(MultiOutputRegressor(trees))


def boosting_regressor(
    max_iter: int = 100, random_state: int | None = None
) -> TransformedTargetRegressor:
    """Histogram gradient boosting, a model for each target.

    32 bins and a tenth of the features at each split: embeddings have many features, corpora few
    utterances, and most of the time would go into histograms.
    """
    trees = HistGradientBoostingRegressor(
        max_iter=max_iter,
        max_bins=32,
        max_features=0.1,
        early_stopping=False,
        random_state=random_state,
    )
    return standardised(MultiOutputRegressor(trees))


def standardised(regressor: Any) -> TransformedTargetRegressor:
    """A regressor of standardised features and targets that predicts on the original scale."""
    pipeline = make_pipeline(StandardScaler(), regressor)
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())
