"""Heads from scikit-learn, on standardised features.

Each is a pipeline whose scaler is fitted together with it, so inside a fold it sees that fold's
training part alone.
"""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def svm(C: float = 1.0) -> Pipeline:
    """Support vector machine with RBF kernel.

    Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks) turns its
    decision function into probabilities and leaves the decision as it is, which Platt's per-class
    sigmoids do not.
    """
    machine = CalibratedClassifierCV(SVC(C=C), method="temperature", ensemble=False, cv=3)
    return make_pipeline(StandardScaler(), machine)


def knn(n_neighbors: int = 10) -> Pipeline:
    """The nearest neighbours by cosine, the nearer counting more."""
    neighbours = KNeighborsClassifier(n_neighbors, weights="distance", metric="cosine")
    return make_pipeline(StandardScaler(), neighbours)
