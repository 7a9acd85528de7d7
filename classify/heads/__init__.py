"""The registry of heads; the class of a head is imported when it is built.

To add a head, register it in `HEADS`, or name its class on the command line.
"""

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from data.errors import HeadError, UsageError

LEAST_C, MOST_C = 1e-8, 1e8  # range in which float64 finds the optimum of all regularised heads


class NoOptimum(HeadError, ValueError):
    """A head does not converge on a training part."""

    @classmethod
    def by_C(cls, *C: float) -> "NoOptimum":
        """The error for fits with some values of C."""
        values = ", ".join(f"{value:g}" for value in sorted(set(C)))
        return cls(f"the fit does not converge with C = {values}: choose a smaller C")


@contextlib.contextmanager
def naming(head: str, features: object) -> Iterator[None]:
    """Add head and features to the message of `NoOptimum`."""
    try:
        yield
    except NoOptimum as error:
        raise NoOptimum(f"{head} on {features}: {error}") from error


def require_C(name: str, C: float) -> None:
    """Require a C that float64 can fit.

    Raises:
        ValueError: C is out of range.
    """
    if not LEAST_C <= C <= MOST_C:
        raise ValueError(f"{name} {C:g}: expected a number from {LEAST_C:g} to {MOST_C:g}")


@dataclass(frozen=True)
class Head:
    """The definition of a head and the options that it takes."""

    path: str  # module:callable
    summary: str
    neural: bool = False  # trained by epochs; takes several layers as steps
    sequences: bool = False  # takes steps in time
    regressor: str | None = None  # module:callable that predicts numbers
    random: bool = False  # takes a seed
    balanced: bool = False  # takes class_weight
    regularised: bool = False  # takes C
    scores: str | None = None  # module:class that predicts the same without other libraries
    scaled: bool = True  # standardises its features
    attends: bool = False  # reports its attention to each step
    classifies: bool = True  # whether it predicts classes
    finetuned: bool = False  # is read from the folder of its encoder


def _neural(
    name: str,
    summary: str,
    sequences: bool = False,
    attends: bool = False,
    scores: str | None = None,
) -> Head:
    """The entry of a neural head and its regressor."""
    path = f"classify.heads.neural:{name}"
    return Head(
        path,
        summary,
        neural=True,
        sequences=sequences,
        regressor=f"{path}Regressor",
        random=True,
        balanced=True,
        attends=attends,
        scores=scores,
    )


LINEAR = "classify.heads.numpy_scores:LinearScores"

HEADS = {
    "logreg": Head(
        "classify.heads.linear:SoftmaxRegression",
        "logistic regression",
        balanced=True,
        regularised=True,
        scores=LINEAR,
    ),
    "ridge": Head(
        "classify.heads.linear:Ridge",
        "ridge regression",
        regressor="classify.heads.classical:ridge_regressor",
        regularised=True,
        scores=LINEAR,
    ),
    "lda": Head(
        "classify.heads.linear:LDA",
        "linear discriminants, shrunk",
        regularised=True,
        scores=LINEAR,
    ),
    "svm": Head(
        "classify.heads.classical:svm",
        "support vectors, RBF kernel",
        regressor="classify.heads.classical:svm_regressor",
        balanced=True,
        regularised=True,
    ),
    "knn": Head(
        "classify.heads.classical:knn",
        "nearest neighbours by cosine",
        regressor="classify.heads.classical:knn_regressor",
    ),
    "linear-svm": Head(
        "classify.heads.classical:linear_svm",
        "support vectors, linear",
        balanced=True,
        regularised=True,
    ),
    "forest": Head(
        "classify.heads.classical:forest",
        "extremely randomised trees",
        regressor="classify.heads.classical:forest_regressor",
        random=True,
        balanced=True,
        scaled=False,
    ),
    "boosting": Head(
        "classify.heads.classical:boosting",
        "boosted small trees",
        regressor="classify.heads.classical:boosting_regressor",
        random=True,
        balanced=True,
        scaled=False,
    ),
    "mlp": _neural(
        "MLP",
        "one hidden layer on a learned mix",
        scores="classify.heads.numpy_scores:PerceptronScores",
    ),
    "gru": _neural("GRU", "recurrent, over time or layers", True),
    "attention": _neural("Attention", "attentive statistics, over time or layers", True, True),
    "transformer": _neural("Transformer", "self-attention, over time or layers", True, True),
    "finetuned": Head(
        "classify.heads.finetuned:FinetunedHead",
        "the head that was fine-tuned with the encoder",
        scores=LINEAR,
        scaled=False,
        finetuned=True,
    ),
}


def find(name: str) -> Head:
    """Find a head by its name in `HEADS` or by its import path, ``package.module:Class``.

    Raises:
        UsageError: the head does not exist.
    """
    if name in HEADS:
        return HEADS[name]
    if ":" not in name:
        raise UsageError(
            f"no head {name!r}: choose from {', '.join(HEADS)}, or name a class with "
            "scikit-learn's interface as package.module:Class"
        )
    from classify.heads import imported

    return imported.head(name)


def build(name: str, parameters: Mapping[str, Any]) -> Any:
    """Build an unfitted classifier with `parameters`.

    Raises:
        UsageError: the head does not exist, or is only a regressor.
    """
    head = find(name)
    if not head.classifies:
        raise UsageError(f"--head {name} predicts numbers, and --target names classes")
    if name in HEADS:
        return _found(head.path)(**parameters)
    from classify.heads import imported

    return imported.classifier(name, **parameters)


def regressor_path(name: str) -> str:
    """Import path of the regressor of a head.

    Raises:
        UsageError: the head only predicts classes.
    """
    if path := find(name).regressor:
        return path
    able = ", ".join(name for name, head in HEADS.items() if head.regressor)
    raise UsageError(f"--head {name} predicts classes; to predict numbers, use --head {able}")


def scores(name: str) -> Any:
    """Build what predicts as a fitted classifier on pooled layers does, without scikit-learn and
    torch; None if there is no such class for the head.
    """
    path = find(name).scores
    return None if path is None else _found(path)()


def build_regressor(name: str, parameters: Mapping[str, Any]) -> Any:
    """Build an unfitted regressor with those `parameters` that it takes.

    It fits X (utterance, …) and y (utterance, target), and predicts (utterance, target).

    Raises:
        UsageError: the head only predicts classes.
    """
    path = regressor_path(name)
    if name not in HEADS:
        from classify.heads import imported

        return imported.regressor(path, **parameters)
    make = _found(path)
    taken = inspect.signature(make).parameters.keys() & parameters.keys()
    return make(**{name: parameters[name] for name in sorted(taken)})


def _found(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)
