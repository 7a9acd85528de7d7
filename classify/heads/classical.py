"""Heads from scikit-learn.

Those that measure distances are pipelines whose scaler is fitted together with the head, so inside
a fold it sees that fold's training part alone. Trees need no scaler: each feature has thresholds of
its own. Every fit is on one thread, for the folds run side by side. Where the sources are, and why
these defaults: ``docs/heads.md``.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from classify.heads.linear.batched import DEFAULT_C

MOST_STEPS = 10_000_000  # of a support vector machine, as libsvm has it; then it does not converge

ClassWeight = Mapping[str, float] | str | None  # None, "balanced" or {label: weight}
Randomness = int | np.random.RandomState | None


class WeightedPipeline(Pipeline):
    """A pipeline that hands the weights of utterances to all of its steps."""

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

    C weighs the loss against half the square of the weights as it does in logistic regression, so
    by the same C the two differ in their loss alone. `LinearSVC` is slower where features outnumber
    utterances, and sets one class against the rest.
    """
    machine = SVC(C=C, kernel="linear", class_weight=class_weight, max_iter=MOST_STEPS)
    return _calibrated(machine)


def knn(n_neighbors: int = 10) -> Pipeline:
    """The nearest neighbours by cosine, the nearer counting more."""
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

    As good as a random forest with bootstrap and best thresholds, in half of the time, which
    grows with the number of features.
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

    Each split looks at some of the features, as in a forest (Chen and Guestrin 2016, XGBoost,
    section 2.3), and the number of trees is fixed: what early stopping would hold out is not
    parted by speaker.
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
    """`machine` on standardised features, its decisions turned into probabilities.

    Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks) leaves the
    decision as it is (that of `SVC(break_ties=True)`), which Platt's per-class sigmoids do not.
    """
    calibrated = CalibratedClassifierCV(machine, method="temperature", ensemble=False, cv=3)
    return WeightedPipeline([("standardscaler", StandardScaler()), ("machine", calibrated)])
