"""Train heads on clean speech of some speakers, and test them in all conditions of the others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from classify.conditions import Copies, clean_table, named
from classify.dataset import require_classes, select, sound, with_features
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.heads.linear.batched import DEFAULT_C
from classify.heard import marked
from classify.options import Options
from classify.robustness.design import Design, Probabilities, Scored
from classify.robustness.options import RobustnessOptions
from classify.robustness.result import CHOSEN, LayerFits, Robustness, Run
from classify.stats.tests import best
from classify.studies.fits import predict_parts
from data.cache import Cache
from data.errors import UsageError

CLEAN_WORD = "clean"  # in --train-on, where clean speech is always
LOGMEL = "logmel"


def robustness(options: RobustnessOptions) -> Robustness:
    """Test in all conditions of the cache.

    Raises:
        CacheError, UsageError: the cache does not exist, or lacks what the options require.
        HeadError: a head cannot be fitted.
    """
    first = options.of(options.heads[0])
    with sound(options.cache, degraded=True) as cache:
        table = clean_table(cache)
        tested = named(cache.conditions, options.only or ["all"], "--only")
        sets = {one: _trained(one, cache) for one in options.train_on}
        require_classes(table, first)
        selection, folds = divide(select(table, first), first)
        trained = {name for one in sets.values() for name in one}
        names = [name for name in cache.conditions if name in trained.union(tested)]
        copies = Copies.of(selection, cache, names)
        kept, refused = complete(copies, folds, tested)
        if not kept:
            raise UsageError(
                f"no condition has all classes: {tested[0]} has {refused[tested[0]]}; extract "
                "again with --degrade to complete it"
            )
        design = Design(copies, folds, kept, options.seed)
        runs = []
        for head in options.heads:
            data = with_features(copies.everything, options.of(head), cache)
            plain: Scored | None = None
            for asked, conditions in {(): (), **sets}.items():
                outputs = predict_parts(options.of(head), data, design.parts(conditions))
                words = tuple(word for word in asked if word != CLEAN_WORD)
                scored = design.scored(design.joined(outputs))
                compared = design.differences(scored.counts, plain.counts) if plain else None
                plain = plain or scored
                runs.append(Run(head, str(data.features), words, scored, compared))
        head = next((head for head in options.heads if head in DEFAULT_C), "logreg")
        layers = baseline = None
        if options.curves:
            layers, by_choice = of_layers(options.of(head), design, cache)
            runs.append(Run(head, CHOSEN, (), design.scored(by_choice)))
        if LOGMEL in cache.baselines:
            of_logmel = replace(options.of(head), layer=LOGMEL, poolings=())
            data = with_features(copies.everything, of_logmel, cache)
            outputs = predict_parts(of_logmel, data, design.parts())
            baseline = Run(head, LOGMEL, (), design.scored(design.joined(outputs)))
        return Robustness(
            options, marked(cache.recipe, selection.utterances), cache.fingerprint, design,
            tuple(runs), layers, baseline, refused,
        )  # fmt: skip


def _trained(asked: Sequence[str], cache: Cache) -> tuple[str, ...]:
    """Conditions of a set of ``--train-on``."""
    words = [word for word in asked if word != CLEAN_WORD]
    if not words:
        raise UsageError(
            f"--train-on {CLEAN_WORD}: clean speech is always trained on; name conditions, of "
            f"{', '.join(cache.conditions)}"
        )
    return named(cache.conditions, words, "--train-on")


def complete(
    copies: Copies, folds: Folds, tested: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The conditions in which every class is tested, and the reasons against the others."""
    kept, refused = [], {}
    y = copies.selection.y[folds.tested]
    for name in tested:
        present = copies.place[copies.names.index(name), folds.tested] >= 0
        missing = np.setdiff1d(y, y[present])
        if len(missing):
            refused[name] = (
                f"{present.sum()} of {len(y)} tested utterances, and none of the class "
                f"{copies.selection.classes[missing[0]]}"
            )
        else:
            kept.append(name)
    return tuple(kept), refused


def of_layers(options: Options, design: Design, cache: Cache) -> tuple[LayerFits, Probabilities]:
    """Fit a linear head to each layer, and predict by the layer that each training part chooses.

    In each training part, folds of its speakers give every layer a mean UAR over the conditions:
    trained on clean speech of some, tested in all conditions of the others. Of equal layers the
    lowest is chosen.
    """
    inner, folds = design.inner(), len(design.folds)
    parts = [*design.parts(), *inner[1]]
    predicted, counts, scores = [], [], []
    for layer in cache.layers:
        data = with_features(design.copies.everything, replace(options, layer=layer), cache)
        outputs = predict_parts(options, data, parts)
        predicted.append(outputs[:folds])
        counts.append(design.counts(design.predicted(design.joined(outputs[:folds]))))
        scores.append(design.inner_uar(inner, outputs[folds:], design.tested))
    chosen, of_layer = np.argmax(scores, axis=0), np.stack(counts, axis=1)
    by_choice = design.joined([predicted[layer][fold] for fold, layer in enumerate(chosen)])
    found = best(of_layer[:, :, -1], seed=design.seed)
    return LayerFits(options.head, cache.layers, of_layer, chosen, inner[2], found), by_choice
