"""Serialise fitted heads, and load them from bytes of unknown origin.

safetensors stores linear and torch heads, and skops other scikit-learn heads. Neither format can
contain code. A skops file names types to build. Before its head is used, three things are verified:
the file names only types of a short list, the result is the expected head with the expected
settings, and the arrays that compiled code reads without checks are valid. Importing skops imports
all of scikit-learn, so it is imported late.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import safetensors.numpy

SAFETENSORS, SKOPS = "head.safetensors", "head.skops"
MOST_BYTES = 1 << 30  # of a head, unpacked; the largest forests have a few hundred MiB

ESTIMATORS = frozenset(  # that ``--head module:Class`` may train
    {
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
        "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
        "sklearn.ensemble._forest.ExtraTreesClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.linear_model._ridge.RidgeClassifier",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.SVR",
    }
)
TYPES = ESTIMATORS | frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "classify.heads.classical.WeightedPipeline",
        "classify.heads.linear.LDA",
        "classify.heads.linear.Ridge",
        "classify.heads.linear.SoftmaxRegression",
        "numpy.float32",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.random._generator.Generator",
        "numpy.uint64",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.compose._target.TransformedTargetRegressor",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.multioutput.MultiOutputRegressor",
        "sklearn.neighbors._classification.KNeighborsClassifier",
        "sklearn.neighbors._regression.KNeighborsRegressor",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._label.LabelBinarizer",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._classes.ExtraTreeClassifier",
        "sklearn.tree._tree.Tree",
    }
)


def storable(path: str) -> bool:
    """Whether ``module:Class`` names one of `ESTIMATORS`; nothing is imported to find out.

    >>> storable("sklearn.naive_bayes:GaussianNB"), storable("sklearn.datasets:fetch_openml")
    (True, False)
    """
    module, _, name = path.partition(":")
    return any(
        kind.startswith(f"{module}.") and kind.rpartition(".")[2] == name for kind in ESTIMATORS
    )


def dumps(head: Any) -> tuple[str, bytes]:
    """Serialise a fitted head; return the name of its file and the content."""
    if hasattr(head, "tensors"):
        arrays = {name: np.ascontiguousarray(array) for name, array in head.tensors().items()}
        return SAFETENSORS, safetensors.numpy.save(arrays)
    import skops.io

    return SKOPS, skops.io.dumps(head)


def loads(file: str, content: bytes, head: Any, classes: Sequence[str]) -> Any:
    """Load a fitted head with the type and the parameters of the unfitted `head`.

    Args:
        file: `SAFETENSORS` or `SKOPS`; earlier versions stored linear heads by skops.
        content: content of the file.
        head: an unfitted head.
        classes: of the fitted head; empty for a regressor.

    Raises:
        Exception: the file is refused; skops raises many types of exceptions.
    """
    if file == SAFETENSORS:
        return head.restore(classes, safetensors.numpy.load(content))
    _require_types(content)
    import skops.io

    from classify.heads.trees import check_trees

    found = skops.io.loads(content, sorted(TYPES))
    if not _alike(found, head):
        raise ValueError("its parameters differ from those in model.json")
    for part in _estimators(found):
        check_trees(part)
        _check_support_vectors(part)
        if getattr(part, "_fit_method", "brute") != "brute":
            raise ValueError("neighbours are stored in a tree, which no model of this program has")
    return found


def _require_types(content: bytes) -> None:
    """Require that a skops file has an acceptable size and names no type outside of `TYPES`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"it unpacks to {size:,} bytes; at most {MOST_BYTES:,} are read")
        named = set(_named(json.loads(archive.read("schema.json"))))
    if foreign := sorted(named - TYPES):
        raise ValueError(f"type {foreign[0]} is not one that heads are made of")


def _named(node: Any) -> Iterator[str]:
    """The types that a skops schema names, at any depth."""
    if isinstance(node, dict):
        if "__class__" in node:
            yield f"{node.get('__module__')}.{node['__class__']}"
        yield from (name for value in node.values() for name in _named(value))
    elif isinstance(node, list):
        yield from (name for value in node for name in _named(value))


def _alike(found: Any, head: Any) -> bool:
    """Whether two estimators are of one type and have the same parameters, those inside too."""
    from sklearn.base import BaseEstimator

    if type(found) is not type(head):
        return False
    if isinstance(head, BaseEstimator):
        settings, expected = (each.get_params(deep=False) for each in (found, head))
        if type(head).__name__ == "SVC":  # how long it may be fitted, which older ones do not bound
            settings["max_iter"] = expected["max_iter"]
        return _alike(settings, expected)
    if isinstance(head, dict):
        return found.keys() == head.keys() and all(_alike(found[name], head[name]) for name in head)
    if isinstance(head, (list, tuple)):
        return len(found) == len(head) and all(map(_alike, found, head))
    return bool(found == head)


def _estimators(value: Any) -> Iterator[Any]:
    """Yield `value` and all objects with attributes inside of it, each once."""
    left, seen = [value], set()
    while left:
        value = left.pop()
        if isinstance(value, (list, tuple)):
            left += value
        elif isinstance(value, dict):
            left += value.values()
        elif hasattr(value, "__dict__") and not isinstance(value, type) and id(value) not in seen:
            seen.add(id(value))
            left += vars(value).values()
            yield value
        elif isinstance(value, np.ndarray) and value.dtype.hasobject:
            left += value.ravel().tolist()


def _check_support_vectors(machine: Any) -> None:
    """Require that the arrays of a fitted SVC or SVR have the sizes that libsvm assumes.

    libsvm takes the sizes of its arrays from one of them and reads the others without a check.
    Other estimators, and unfitted ones, pass.

    Raises:
        ValueError: a size is wrong.
    """
    from sklearn.svm import SVC, SVR

    if not isinstance(machine, (SVC, SVR)) or not hasattr(machine, "support_vectors_"):
        return
    vectors, width = machine.support_vectors_.shape
    classes = len(machine.classes_) if isinstance(machine, SVC) else 2
    expected = {
        "_dual_coef_": (classes - 1, vectors),
        "_intercept_": (classes * (classes - 1) // 2,),
        "support_": (vectors,),
        "_n_support": (2,) if isinstance(machine, SVR) else (classes,),
        "_probA": (0,),
        "_probB": (0,),
    }
    for name, shape in expected.items():
        if getattr(machine, name).shape != shape:
            raise ValueError(f"a support vector machine has {name} of another shape than {shape}")
    counts = machine._n_support[: 1 if isinstance(machine, SVR) else None]
    if (counts < 0).any() or counts.sum() != vectors or machine.shape_fit_[1] != width:
        raise ValueError("a support vector machine has another number of vectors than its counts")
    if machine._sparse or machine.n_features_in_ != width or not np.isscalar(machine._gamma):
        raise ValueError("a support vector machine has another number of features than its vectors")
