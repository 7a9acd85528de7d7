"""Train a model: select, cross-validate, calibrate, and fit on all utterances.

The scores are those of the whole procedure, including the selection, on held-out folds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from classify.conditions import require_conditions
from classify.dataset import (
    Dataset,
    Selection,
    has_numbers,
    load,
    log_kind,
    select,
    sound,
    with_features,
)
from classify.evaluation.crossvalidate import converging, learning_from
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.evaluation.numbers import NumberOutcome
from classify.evaluation.run import Run, evaluate_folds, heads_of_folds, new_head, parameters
from classify.evaluation.tuning import Settings
from classify.fairness.study import of_predictions, of_run
from classify.heads import HEADS, find, imported, naming
from classify.heads.storage import ESTIMATORS, storable
from classify.models import scores
from classify.models.calibration import calibrate, tempered
from classify.models.degraded import Degraded, degraded
from classify.models.domain import Domain, summarised
from classify.models.ranges import of_training
from classify.models.selection import Choice, by_layer_and_C, by_tuning, chooses_layer, of_folds
from classify.models.trained import TrainedHead
from classify.options import Options
from classify.stats.calibration import BINS
from classify.stats.scores import Json
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.cache.file import require_sound
from data.condition import clean_id
from data.errors import UsageError

UNSCORED = Folds("none", [], by_speaker=False)


def train(
    options: Options, jobs: int = -1, scored: bool = True, augment: Sequence[str] = ()
) -> TrainedHead:
    """Fit the head that `options` name, or its regressor, on all utterances that they select.

    Linear heads choose their layer and C, and ``--tune`` settings, by inner folds of speakers. The
    same is done in each fold of a cross-validation, whose answers give the scores and the
    temperature that the probabilities are calibrated by.

    Args:
        options: the head and what it is trained on; ``seeds`` is 1.
        jobs: at most so many processes; -1: one a core. Results do not depend on it.
        scored: whether there is a cross-validation; without it, nothing is calibrated either.
        augment: names or kinds of conditions of the cache whose copies are trained on, too, if the
            inner folds find that this helps; see `classify.models.degraded`.

    Raises:
        CacheError, UsageError: the cache does not exist, or lacks what the options require.
        HeadError: the head cannot be fitted.
    """
    if options.normalize == "speaker":
        raise UsageError(
            "--normalize speaker needs all recordings of a speaker at once, so it is for "
            "cross-validation; train with --normalize global"
        )
    _require_storable(options.head)
    with sound(options.cache) as cache:
        _of_everything(cache)
        if options.layer in cache.baselines:
            raise UsageError(
                f"--layer {options.layer}: a model predicts from the layers of an encoder; "
                f"cross-validate it by 'python -m classify --layer {options.layer}'"
            )
        if augment:
            require_conditions(cache)
        if not has_numbers(cache.utterances, options):
            log_kind(cache.utterances, options)
            return _classes(options, cache, jobs, scored, augment)
    if augment:
        raise UsageError(f"--augment is for classes; --target {options.target} is regressed")
    return _numbers(options, jobs, scored)


def _of_everything(cache: Cache) -> Cache:
    """The cache of the encoder that the model gets: of a fine-tuning that of all speakers, which
    the encoders of the folds score.

    Raises:
        UsageError: there is none.
    """
    if not isinstance(cache, FoldedCache):
        return cache
    if (everything := cache.everything) is None:
        raise UsageError(
            f"{cache.path}: it has an encoder per fold, and none of all speakers; run the same "
            "'python -m extract finetune' with --all, then the same 'python -m extract'"
        )
    for file in everything.files:
        require_sound(file)
    return everything


def _require_storable(head: str) -> None:
    """Refuse an imported head that could be saved, but not loaded again."""
    if head in HEADS:
        return
    kind = imported.type_of(head)
    if kind not in ESTIMATORS or not storable(head):
        able = ", ".join(sorted(name.rpartition(".")[2] for name in ESTIMATORS))
        raise UsageError(
            f"--head {head}: a model of it could not be loaded, for {kind} is not among the types "
            f"that are read from files; cross-validate it, or train one of {able}"
        )


@dataclass(frozen=True)
class _HeldOut:
    """The data and settings to fit, and held-out predictions of the same procedure."""

    dataset: Dataset
    settings: Settings
    choice: Choice | None
    probabilities: npt.NDArray[np.float64]  # (utterance, class)
    degraded: Degraded | None = None  # None: the cache has no conditions


def _classes(
    options: Options, cache: Cache, jobs: int, scored: bool, augment: Sequence[str]
) -> TrainedHead:
    selection, folds = select(cache.utterances, options, scored), UNSCORED
    if scored:
        selection, folds = divide(selection, options)

    def hold_out(selection: Selection, folds: Folds) -> _HeldOut:
        return _hold_out(options, selection, folds, cache, jobs, augment)

    predicted = hold_out(selection, folds)
    data, held_out_of = predicted.dataset, folds
    found: Json = {}
    if data.by_fold:
        held_out_of = UNSCORED  # the model's encoder was trained on all utterances
        data = with_features(selection, options, _of_everything(cache))
    if scored:
        tested, of_tested = folds.tested, selection.part(folds.tested)
        held_out = predicted.probabilities[tested]
        calibration = calibrate(held_out, data.y[tested], folds.fold[tested])
        calibrated = tempered(held_out, calibration.temperature)
        found = {
            "scores": scores.of_held_out(of_tested, folds, held_out),
            "fairness": of_predictions(options, of_tested, folds, calibrated[None]).as_json(),
            "temperature": calibration.temperature,
            "calibration": {
                "before": calibration.before,
                "after": calibration.after,
                "bins": BINS,
            },
        }
        if not isinstance(cache, FoldedCache):
            found["across"] = scores.of_corpora_left_out(
                selection, lambda part, parts: hold_out(part, parts).probabilities
            )
    fitted_to = data
    if predicted.degraded:
        fitted_to = predicted.degraded.everything
        temperature = found.get("temperature", 1.0)
        found["robustness"] = predicted.degraded.as_json(temperature)
    if predicted.choice:
        found["choice"] = predicted.choice.as_json()
    found["support"] = dict(sorted(Counter(data.truth.tolist()).items()))
    return _fitted(options, data, predicted.settings, fitted_to, held_out_of, found)


def _hold_out(
    options: Options,
    selection: Selection,
    folds: Folds,
    cache: Cache,
    jobs: int,
    augment: Sequence[str],
) -> _HeldOut:
    """Select layer, C or settings where the options ask for it, cross-validate, and choose whether
    copies in some conditions are trained on."""
    folded = isinstance(cache, FoldedCache)
    choice, settings = None, {}
    if chooses_layer(options) and not folded:
        choice, probabilities = by_layer_and_C(options, selection, folds, cache)
        settings = {"C": choice.settings["C"]}
        chosen = replace(options, layer=choice.settings["layer"])
        data = with_features(selection, chosen, cache)
    else:
        data = with_features(selection, options, cache)
        with naming(options.head, data.features):
            if not options.tune:
                heads = heads_of_folds(options, data, folds)
                probabilities = of_folds(data, heads, folds, jobs)
            elif folded:
                raise UsageError("--tune: not for caches with an encoder per fold; leave it out")
            else:
                choice, probabilities = by_tuning(options, data, folds, jobs)
                settings = choice.settings
    if folded or not cache.conditions or not (folds.parts or augment):
        return _HeldOut(data, settings, choice, probabilities)
    each = [*choice.in_folds, choice.settings] if choice else [{}] * (len(folds) + 1)
    with Cache(cache.path, degraded=True) as every:
        others = degraded(options, selection, folds, each, every, augment, jobs)
    if augment and others.of_clean is not None:
        probabilities = others.of_clean
    return _HeldOut(data, settings, choice, probabilities, others)


def _numbers(options: Options, jobs: int, scored: bool) -> TrainedHead:
    data, run, folds = load(options, folds=scored), None, UNSCORED
    if scored:
        data, folds = divide(data, options)
        run = evaluate_folds(options, data, folds, jobs)
    if data.by_fold:
        folds = UNSCORED  # the model's encoder was trained on all utterances
        with sound(options.cache) as cache:
            data = with_features(data, options, _of_everything(cache))
    found: Json = {"support": dict.fromkeys(data.targets, len(data.y))}
    if run and isinstance(run.outcome, NumberOutcome):
        found["scores"] = _agreement(run, run.outcome)
        found["fairness"] = of_run(run).as_json()
    return _fitted(options, data, {}, data, folds, found)


def _fitted(
    options: Options,
    data: Dataset,
    settings: Settings,
    fitted_to: Dataset,
    folds: Folds,
    found: Json,
) -> TrainedHead:
    """Fit a head; neural heads take the speakers for early stopping.

    Args:
        options: the head.
        data: the utterances.
        settings: its settings beside those that `options` name.
        fitted_to: the utterances, and copies of them.
        folds: of the utterances, for the threshold of the out-of-domain score.
        found: further fields of ``model.json``.
    """
    head, about = new_head(options, data, settings), find(options.head)
    speakers = about.neural and fitted_to.speakers_known
    groups = {"groups": fitted_to.speakers} if speakers else {}
    y = fitted_to.truth if data.classes else fitted_to.y
    with naming(options.head, data.features), learning_from(len(y)), converging(head):
        head = head.fit(fitted_to.X, y, **groups)
    scaled = options.normalize != "none" and (about.scaled or not data.classes)
    given = {**parameters(options, data), **settings}
    without = ("choice", "scores", "across", "robustness", "fairness", "calibration")
    card = {
        "head": options.head,
        "parameters": head.get_params() if about.neural else given,
        "seed": options.seed,
        "scaler": "standard" if scaled else "none",
        "target": options.target,
        "labels": options.labels,
        "classes": list(data.classes),
        "features": data.features.as_json(),
        "dim": _dim(data),
        "recipe": data.recipe,
        "fingerprint": data.fingerprint,
        "encoder_location": data.encoder_location,
        "corpora": data.corpora,
        "speakers": _speakers(data),
        "temperature": 1.0,
        "ranges": of_training(fitted_to.utterances),
        **dict.fromkeys(without),
        **found,
    }
    domain = None
    if len(folds):
        fold = dict(zip(data.utterances["id"], folds.fold, strict=False))  # of those in a part
        of_each = [fold.get(clean_id(name), -1) for name in fitted_to.utterances["id"]]
        X = summarised(fitted_to.X, data.features, _dim(data))
        y = fitted_to.y if data.classes else np.zeros(len(X), int)
        domain = Domain.calibrated(X, y, np.array(of_each))
    return TrainedHead(head, data.features, card, domain)


def _dim(data: Dataset) -> int:
    """Width of the encoder's layers."""
    return data.X.shape[1] // (data.parameters["steps"] * data.features.width(1))


def _speakers(data: Dataset) -> Json:
    """Corpus → its speakers; those that are unknown do not count."""
    table = data.utterances
    found = {}
    for corpus in data.corpora:
        ids = sorted(set(table["speaker"][table["corpus"] == corpus].astype(str)) - {""})
        found[corpus] = {"count": len(ids), "ids": ids}
    return found


def _agreement(run: Run, outcome: NumberOutcome) -> Json:
    """The scores of a regression, as ``model.json`` holds them."""
    return {
        "split": run.folds.kind,
        "folds": len(run.folds),
        **scores.leaks(run.folds),
        "intervals": {"over": "speakers" if run.dataset.speakers_known else "utterances"},
        "targets": {
            name: {**row.values, "ci95": row.interval, "deviation": row.truth.deviation}
            for name, row in outcome.targets.items()
            if row.truth
        },
        "mean": outcome.mean.as_json(),
    }
