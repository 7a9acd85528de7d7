"""Hyperparameters of a head, chosen by inner folds of each training part.

Random search (Bergstra and Bengio 2012, JMLR 13): the default settings and random ones are tried in
folds of the training speakers, and the settings with the highest UAR over these folds are used.
Test parts do not influence the choice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Dataset
from classify.evaluation.crossvalidate import fit_parts
from classify.evaluation.folds import Folds, Parts, inner_uar, nested_folds
from classify.evaluation.scheduling import spread
from data.errors import UsageError

Settings = dict[str, Any]  # parameter → value; empty: the head's own
Draw = Callable[[np.random.Generator], Any]


def _log(low: float, high: float) -> Draw:
    return lambda random: float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.3g}")


def _one_of(*values: Any) -> Draw:
    return lambda random: values[random.integers(len(values))]


NEURAL: Mapping[str, Draw] = {
    "learning_rate": _log(3e-4, 1e-2),
    "weight_decay": _log(1e-3, 1.0),
    "dropout": _one_of(0.2, 0.35, 0.5, 0.65),
    "hidden": _one_of(32, 64, 128, 256),
    "label_smoothing": _one_of(0.0, 0.1, 0.2),
    "epochs": _one_of(15, 30, 60),
}
SPACES: Mapping[str, Mapping[str, Draw]] = {
    "logreg": {"C": _log(1e-4, 1.0)},
    "ridge": {"C": _log(1e-5, 1e-1)},
    "lda": {"C": _log(1e-2, 1e2)},
    "svm": {"C": _log(1e-1, 1e2)},
    "linear-svm": {"C": _log(1e-4, 1.0)},
    "knn": {"n_neighbors": _one_of(1, 3, 5, 7, 10, 15, 20, 30)},
    "forest": {"max_features": _one_of("sqrt", 0.1, 0.2), "min_samples_leaf": _one_of(1, 2, 4, 8)},
    "boosting": {"max_iter": _one_of(50, 100, 200), "learning_rate": _log(0.03, 0.3)},
    **dict.fromkeys(("mlp", "gru", "attention", "transformer"), NEURAL),
}


@dataclass(frozen=True)
class Tuned:
    """The settings that were tried and their scores in each fold."""

    tried: list[Settings]
    scores: npt.NDArray[np.float64]  # (fold, settings) UAR over the inner folds
    kind: str  # of the inner folds, as text

    @property
    def chosen(self) -> npt.NDArray[np.intp]:
        """(fold,) number of the settings with the highest score; the first of several."""
        return self.scores.argmax(1)

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "inner_folds": self.kind,
            "tried": self.tried,
            "chosen": self.chosen.tolist(),
            "inner_uar": self.scores.max(1).tolist(),
        }


def draw(head: str, number: int, seed: int, fixed: Mapping[str, Any]) -> list[Settings]:
    """Draw different settings of a head; the first are its defaults.

    Args:
        head: its name.
        number: number of settings, or fewer if there are not enough.
        seed: of the draws.
        fixed: parameters that are set and not searched.

    Raises:
        UsageError: the head has no search space.
    """
    if head not in SPACES:
        raise UsageError(f"--tune: expected one of the heads {', '.join(SPACES)}; got {head}")
    random = np.random.default_rng(seed)
    space = {name: one for name, one in SPACES[head].items() if name not in fixed}
    found: list[Settings] = [{}]
    for _ in range(100 * number):
        if len(found) == number:
            break
        settings = {name: one(random) for name, one in space.items()}
        if settings not in found:
            found.append(settings)
    return found


def tune(
    dataset: Dataset,
    folds: Folds,
    tried: list[Settings],
    head: Callable[[Settings], Any],
    seed: int,
    jobs: int = -1,
) -> Tuned:
    """Try settings inside of each training part.

    Args:
        dataset: the utterances.
        folds: their training parts are used.
        tried: the settings.
        head: makes an unfitted head from settings.
        seed: of the inner folds.
        jobs: as of `classify.evaluation.crossvalidate.cross_validate`.
    """
    by = "speaker" if folds.by_speaker else ""
    inner, kind = nested_folds(folds, dataset.y, dataset.speakers, by, seed)
    parts = [part for of_fold in inner for part in of_fold]
    heads = [head(settings) for settings in tried]
    answers = np.stack(list(spread(_answers, heads, dataset, parts, jobs)))
    return Tuned(tried, inner_uar(inner, dataset.y, answers, len(dataset.classes)), kind)


def _answers(dataset: Dataset, parts: Parts, jobs: int, head: Any) -> npt.NDArray[np.intp]:
    """(tested utterance,) the most probable class number, one part after the other."""
    (fits,) = fit_parts((head,), dataset, parts, jobs)
    return np.concatenate([fit.output.argmax(1) for fit in fits])
