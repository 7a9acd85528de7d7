"""Training parts, labels and C of many fits on one feature matrix."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.heads import require_C

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Problems:
    """Many fits on the same feature matrix, such as folds × C × shuffles."""

    train: npt.NDArray[np.bool_]  # (problem, utterance) what each problem is fitted on
    labels: npt.NDArray[np.integer]  # (problem, utterance), or (utterance,) shared by all problems
    classes: int
    C: npt.NDArray[np.floating] | float  # (problem,) inverse strength of regularisation, or for all

    def __post_init__(self) -> None:
        problems, utterances = self.train.shape
        if self.train.dtype != bool:
            raise ValueError(f"train is of {self.train.dtype}; expected (problem, utterance) bool")
        for name, values, shapes in (
            ("labels", self.labels, ((utterances,), self.train.shape)),
            ("C", self.C, ((), (problems,))),
        ):
            if np.shape(values) not in shapes:
                raise ValueError(
                    f"{name} of the shape {np.shape(values)}: expected {shapes[0]} or {shapes[1]}"
                )
        if self.labels.size and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            raise ValueError(
                f"labels from {self.labels.min()} to {self.labels.max()}; expected 0 to "
                f"{self.classes - 1}"
            )
        for C in np.unique(self.C).tolist():
            require_C("C =", C)

    def __len__(self) -> int:
        return len(self.train)

    @property
    def strengths(self) -> npt.NDArray[np.float64]:
        """(problem,) C of each."""
        return np.broadcast_to(np.asarray(self.C, np.float64), len(self))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """(class, problem) whether the training part has the class."""
        numbers = range(self.classes)
        return np.stack([(self.train & (self.labels == number)).any(1) for number in numbers])

    @property
    def all_labels(self) -> npt.NDArray[np.integer]:
        """(problem, utterance) the labels of each."""
        return np.broadcast_to(self.labels, self.train.shape)

    def parts(self) -> tuple[npt.NDArray[np.bool_], list[Rows]]:
        """The different training parts (part, utterance), and the problems of each."""
        packed = np.ascontiguousarray(np.packbits(self.train, axis=1))
        keys = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
        _, first, part = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(part, kind="stable")
        problems = np.split(order, np.cumsum(np.bincount(part))[:-1])
        return self.train[first], problems
