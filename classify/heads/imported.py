"""Any estimator with scikit-learn's interface as a head: ``--head package.module:Class``.

The features are standardised inside of each fit. The estimator keeps its own default parameters;
``--seed``, ``--balance`` and ``--C`` set ``random_state``, ``class_weight`` and ``C`` where it has
them.
"""

from collections.abc import Callable
from importlib import import_module
from inspect import isclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax
from sklearn.base import is_classifier, is_regressor
from threadpoolctl import threadpool_limits

from classify.heads import Head
from classify.heads.linear.problems import Problems
from classify.heads.probabilities import probabilities
from data.errors import UsageError

EXAMPLE = "sklearn.naive_bayes:GaussianNB"
TINY = np.finfo(np.float32).tiny  # probability below which its logarithm is cut off


def head(path: str) -> Head:
    """The entry of an estimator's class.

    Raises:
        UsageError: the path names no class of estimators that has default parameters.
    """
    estimator = _class(path)()
    parameters = estimator.get_params()
    return Head(
        path,
        path.partition(":")[2],
        regressor=path if is_regressor(estimator) else None,
        classifies=is_classifier(estimator),
        random="random_state" in parameters,
        balanced="class_weight" in parameters,
        regularised="C" in parameters,
    )


def classifier(path: str, **parameters: Any) -> Any:
    """An unfitted classifier on standardised features: a pipeline."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), _class(path)(**parameters))


def regressor(path: str, **parameters: Any) -> Any:
    """An unfitted regressor on standardised features and targets."""
    from sklearn.multioutput import MultiOutputRegressor

    from classify.heads.classical import standardised

    return standardised(
        MultiOutputRegressor(_class(path)(**parameters))
    )  # few take several targets


def type_of(path: str) -> str:
    """Module and name of the class in a saved model."""
    found = _class(path)
    return f"{found.__module__}.{found.__qualname__}"


def _class(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name)
        estimator = found() if isclass(found) else None
    except Exception as error:  # an import may raise any exception
        raise UsageError(
            f"--head {path}: {type(error).__name__}: {error}; expected package.module:Class, such "
            f"as {EXAMPLE}"
        ) from error
    if not (hasattr(estimator, "fit") and (is_classifier(estimator) or is_regressor(estimator))):
        raise UsageError(f"--head {path}: not a classifier or regressor; {EXAMPLE} is one")
    return found


def log_probabilities(
    path: str, X: npt.NDArray[np.floating], problems: Problems
) -> npt.NDArray[np.float32]:
    """Fit the estimator to one problem after the other; see
    `classify.heads.linear.batched.log_probabilities`. Its C is not used."""
    found = np.full((len(problems), len(X), problems.classes), -np.inf, np.float32)
    with threadpool_limits(1):
        for out, train, y in zip(found, problems.train, problems.all_labels, strict=True):
            fitted = classifier(path).fit(X[train], y[train])
            shares = np.maximum(probabilities(fitted, X), TINY)
            out[:, fitted.classes_] = log_softmax(np.log(shares), axis=1)
    return found
