"""Model selection: layer, C or settings, chosen by inner folds of speakers.

Linear heads select a layer and C, other heads settings with ``--tune``. The selection on all
utterances and the selections on the training parts of a cross-validation are computed together.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.dataset import Dataset, Selection
from classify.evaluation.crossvalidate import Heads, cross_validate, learning_from
from classify.evaluation.folds import Folds, inner_folds, with_everything
from classify.evaluation.run import new_head, tune_head
from classify.evaluation.tuning import Settings
from classify.features import Features
from classify.heads import naming
from classify.heads.linear.batched import DEFAULT_C, Problems, log_probabilities
from classify.options import Options
from classify.probing.curves import ChoiceOfC, Curve, candidates, curve
from classify.probing.layers import ALL
from classify.probing.targets import Task
from data.cache import Cache
from data.errors import UsageError

Probabilities = npt.NDArray[np.float64]  # (utterance, class)


@dataclass(frozen=True)
class Choice:
    """The candidates, their scores, and the choice on all utterances and in each training part."""

    by: str  # the inner folds, as text
    tried: list[tuple[Settings, float]]  # with the UAR over the inner folds
    settings: Settings  # that won
    in_folds: list[Settings]  # that won in each training part

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "by": self.by,
            "tried": [{"settings": settings, "uar": uar} for settings, uar in self.tried],
            "chosen": self.settings,
            "in_folds": self.in_folds,
        }


def chooses_layer(options: Options) -> bool:
    """Whether layer and C are chosen for the head. They are for linear heads, which fit all in one
    batch.

    Raises:
        UsageError: ``--tune`` is given too.
    """
    given = options.layer is not None and options.C is not None
    if options.head not in DEFAULT_C or options.balance or given:
        return False
    if options.tune:
        raise UsageError(
            f"--tune {options.tune}: {options.head} chooses its layer and C by itself; leave it out"
        )
    return True


def by_layer_and_C(
    options: Options, selection: Selection, folds: Folds, cache: Cache
) -> tuple[Choice, Probabilities]:
    """Select among the mean of the layers and each layer alone, with seven values of C each.

    Values that `options` set are not changed. The first of equal layers is selected.

    Returns:
        The choice, and the predictions of each fold's own choice for its test part.

    Raises:
        HeadError: the head cannot learn from a training part.
    """
    layers: tuple[int | str, ...]
    layers = ("mean", *cache.layers) if options.layer is None else (options.layer,)
    features = [Features.chosen(replace(options, layer=layer), cache) for layer in layers]
    C = candidates(options.head) if options.C is None else np.array([options.C])
    task = Task.of(options.target, selection, with_everything(folds, len(selection.y)))
    matrices = (
        (layer, [(ALL, each.of_cache(cache, selection.rows))])
        for layer, each in zip(layers, features, strict=True)
    )
    with learning_from(len(selection.y)):
        choice_of_C = ChoiceOfC.nested(task, C, options.seed)
        found = curve(task, matrices, options.head, choice_of_C, "choice of the layer")
        best = found.chosen  # (fold,) the last is that of all utterances
        probabilities = _held_out(options.head, found, best, features, cache)
    settings = [
        {"layer": layers[index], "C": float(found.C[index, fold])}
        for fold, index in enumerate(best)
    ]
    assert found.inner is not None
    tried = [
        ({"layer": layer, "C": float(strengths[-1])}, float(uar[-1]))
        for layer, strengths, uar in zip(layers, found.C, found.inner, strict=True)
    ]
    kind = inner_folds(task.y, task.groups, task.grouped_by, options.seed)[1]
    return Choice(kind, tried, settings[-1], settings[:-1]), probabilities


def by_tuning(
    options: Options, dataset: Dataset, folds: Folds, jobs: int
) -> tuple[Choice, Probabilities]:
    """Choose among ``--tune`` settings; otherwise as `by_layer_and_C`."""
    tuned = tune_head(options, dataset, with_everything(folds, len(dataset.y)), jobs)
    tried = tuned.tried
    heads: list[Heads] = [(new_head(options, dataset, tried[n]),) for n in tuned.chosen[:-1]]
    probabilities = of_folds(dataset, heads, folds, jobs)
    settings = [tried[number] for number in tuned.chosen]
    scored = list(zip(tried, tuned.scores[-1].tolist(), strict=True))
    return Choice(tuned.kind, scored, settings[-1], settings[:-1]), probabilities


def of_folds(dataset: Dataset, heads: list[Heads], folds: Folds, jobs: int) -> Probabilities:
    """(utterance, class) probabilities of each test part by its head; empty without folds."""
    if not len(folds):
        return np.empty((0, len(dataset.classes)))
    return cross_validate(dataset, heads, folds, jobs).output


def _held_out(
    head: str, found: Curve, best: npt.NDArray[np.intp], features: list[Features], cache: Cache
) -> Probabilities:
    """(utterance, class) probabilities by the layer and C chosen in each fold but the last."""
    task = found.task
    probabilities = np.full((len(task.y), len(task.classes)), np.nan)  # of what is not tested
    for index in np.unique(best[:-1]):
        X = features[index].of_cache(cache, task.selection.rows)
        some = np.flatnonzero(best[:-1] == index)
        problems = Problems(task.folds.train[some], task.y, len(task.classes), found.C[index, some])
        with naming(head, features[index]):
            of_fits = log_probabilities(head, X, problems)
        for fold, fitted in zip(some, of_fits, strict=True):
            _, test = task.folds.parts[fold]
            probabilities[test] = np.exp(fitted[test].astype(np.float64))
    return probabilities
