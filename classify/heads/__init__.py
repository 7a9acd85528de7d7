"""The heads by name: scikit-learn estimators, each imported only when it is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Head:
    """Where a head is defined, and what it can be given."""

    path: str  # module:callable
    summary: str
    neural: bool = False  # trained by epochs; takes several layers as steps
    sequences: bool = False  # takes steps in time
    random: bool = False  # takes a seed, as all neural heads do


HEADS = {
    "logreg": Head("classify.heads.linear:SoftmaxRegression", "logistic regression"),
    "ridge": Head("classify.heads.linear:Ridge", "ridge regression"),
    "lda": Head("classify.heads.linear:LDA", "linear discriminants, shrunk"),
    "svm": Head("classify.heads.classical:svm", "support vectors, RBF kernel"),
    "linear-svm": Head("classify.heads.classical:linear_svm", "support vectors, linear"),
    "knn": Head("classify.heads.classical:knn", "nearest neighbours by cosine"),
    "forest": Head("classify.heads.classical:forest", "extremely randomised trees", random=True),
    "boosting": Head("classify.heads.classical:boosting", "boosted small trees", random=True),
    "mlp": Head("classify.heads.neural:MLP", "one hidden layer on a learned mix", neural=True),
    "gru": Head(
        "classify.heads.neural:GRU",
        "recurrent, over time or layers",
        neural=True,
        sequences=True,
    ),
}


def build(name: str, parameters: Mapping[str, Any]) -> Any:
    """A new, unfitted estimator with its `parameters`."""
    module, attribute = HEADS[name].path.split(":")
    return getattr(import_module(module), attribute)(**parameters)
