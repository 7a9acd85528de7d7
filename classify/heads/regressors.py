"""Heads that predict numbers, from scikit-learn: X (utterance, dim), y (utterance, target).

Features and targets are standardised inside of ``fit``, so by a training part alone; predictions
are on the targets' own scale. Several targets share the features and nothing else.
"""

from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR


def ridge(alpha: float = 1000.0) -> TransformedTargetRegressor:
    """Ridge regression, regularised as the classifier."""
    return _standardised(Ridge(alpha))


def svm(C: float = 1.0, epsilon: float = 0.1) -> TransformedTargetRegressor:
    """Support vector regression with RBF kernel.

    Args:
        C: inverse strength of the regularisation.
        epsilon: errors below it have no loss; in standard deviations of the target.
    """
    return _standardised(MultiOutputRegressor(SVR(C=C, epsilon=epsilon)))


def knn(n_neighbors: int = 10) -> TransformedTargetRegressor:
    """Mean of the nearest neighbours by cosine, the nearer counting more."""
    return _standardised(KNeighborsRegressor(n_neighbors, weights="distance", metric="cosine"))


def forest(n_estimators: int = 100, random_state: int | None = None) -> TransformedTargetRegressor:
    """Random forests (Breiman 2001, Random Forests); the root of the features at each split."""
    trees = RandomForestRegressor(
        n_estimators, max_features="sqrt", min_samples_leaf=5, random_state=random_state
    )
    return _standardised(MultiOutputRegressor(trees))


def boosting(max_iter: int = 100, random_state: int | None = None) -> TransformedTargetRegressor:
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
    return _standardised(MultiOutputRegressor(trees))


def _standardised(regressor: Any) -> TransformedTargetRegressor:
    pipeline = make_pipeline(StandardScaler(), regressor)
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())
