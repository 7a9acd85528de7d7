"""Many fits of one linear head that share a feature matrix: folds × C × shuffles × inner folds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DEFAULT_C = {"logreg": 0.01, "ridge": 0.001, "lda": 1.0}  # head → C


@dataclass(frozen=True)
class Problems:
    """What each of many fits is trained on; the feature matrix is the same for all."""

    train: npt.NDArray[np.bool_]  # (problem, utterance) what each problem is fitted on
    labels: npt.NDArray[np.integer]  # (problem, utterance), or (utterance,) shared by all problems
    classes: int
    C: npt.NDArray[np.floating] | float  # (problem,) inverse strength of regularisation, or for all

    def __post_init__(self) -> None:
        problems, utterances = self.train.shape
        if self.train.dtype != bool:
            raise ValueError(f"train is of {self.train.dtype}; expected (problem, utterance) bool")
        if self.labels.shape not in ((utterances,), self.train.shape):
            raise ValueError(
                f"labels have the shape {self.labels.shape}; expected {(utterances,)} or "
                f"{self.train.shape}"
            )
        if self.labels.size and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            raise ValueError(
                f"labels from {self.labels.min()} to {self.labels.max()}; expected 0 to "
                f"{self.classes - 1}"
            )
        if np.shape(self.C) not in ((), (problems,)) or not np.all(np.asarray(self.C) > 0):
            raise ValueError(f"C is {self.C}; expected one positive number, or one a problem")

    def __len__(self) -> int:
        return len(self.train)


def log_probabilities(
    head: str, X: npt.NDArray[np.floating], problems: Problems, device: str = "cpu"
) -> npt.NDArray[np.float32]:
    """Fit `head` to every problem and ask each fit about all utterances.

    Every problem standardises the features by the mean and deviation of its own training part, as
    scikit-learn's `StandardScaler` does, and then fits

    - ``logreg``: multinomial logistic regression, the optimum of `LogisticRegression(C=C)`
    - ``ridge``: `RidgeClassifier(alpha=1 / C)`; its "probabilities" are the softmax of its scores
    - ``lda``: `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1 / (1 + C))`

    Args:
        head: logreg, ridge or lda.
        X: (utterance, dim) features.
        problems: what each fit is trained on.
        device: "cpu", or a torch device such as "cuda".

    Returns:
        (problem, utterance, class) log-probabilities, of training and test utterances; -inf for a
        class that is absent from the problem's training part.

    Raises:
        ValueError: X is not finite, or a training part has fewer than two classes.
    """
    from scipy.special import log_softmax
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    if not np.isfinite(X).all():
        raise ValueError("the features hold NaN or infinity")
    found = np.full((*problems.train.shape, problems.classes), -np.inf, np.float32)
    for number, (train, C) in enumerate(
        zip(problems.train, np.broadcast_to(problems.C, len(problems)), strict=True)
    ):
        y = problems.labels[number] if problems.labels.ndim == 2 else problems.labels
        present = np.unique(y[train])
        if len(present) < 2:
            raise ValueError(f"the training part of problem {number} has {len(present)} classes")
        machine = {
            "logreg": LogisticRegression(C=C, max_iter=1000),
            "ridge": RidgeClassifier(alpha=1 / C),
            "lda": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1 / (1 + C)),
        }[head]
        scaler = StandardScaler().fit(X[train])
        scores = machine.fit(scaler.transform(X[train]), y[train]).decision_function(
            scaler.transform(X)
        )
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], 1) / (1 if head == "ridge" else 2)
        found[number][:, present] = log_softmax(scores, 1)
    return found
