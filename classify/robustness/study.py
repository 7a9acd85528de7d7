"""Train heads on clean speech of some speakers, and test them in all conditions of the others."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from classify.conditions import Copies, clean_table, named
from classify.dataset import require_classes, select, sound
from classify.evaluation.division import divide
from classify.evaluation.folds import Folds
from classify.heads.linear.batched import DEFAULT_C
from classify.heard import marked
from classify.robustness import fits
from classify.robustness.options import RobustnessOptions
from classify.robustness.result import CHOSEN, Robustness, Run
from classify.robustness.scores import Groups
from data.cache import Cache
from data.errors import UsageError

CLEAN_WORD = "clean"  # in --train-on, where clean speech is always


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
        design = fits.Design(copies, folds, kept)
        groups = Groups.of(design, options.seed)
        runs = [*_runs(options, design, groups, cache, sets)]
        head = next((head for head in options.heads if head in DEFAULT_C), "logreg")
        layers = baseline = None
        if options.curves:
            layers = fits.of_layers(options.of(head), design, cache)
            runs.append(Run(head, CHOSEN, (), groups.scored(layers.by_choice(design))))
        if fits.LOGMEL in cache.baselines:
            found = fits.of_baseline(head, options.of(head).C, design, cache)
            baseline = Run(head, fits.LOGMEL, (), groups.scored(found))
        return Robustness(
            options, marked(cache.recipe, selection.utterances), cache.fingerprint, groups,
            tuple(runs), head, layers, baseline, refused,
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


def _runs(
    options: RobustnessOptions,
    design: fits.Design,
    groups: Groups,
    cache: Cache,
    sets: Mapping[tuple[str, ...], tuple[str, ...]],
) -> Iterator[Run]:
    """Every head, trained on clean speech, and on each set beside it."""
    for head in options.heads:
        data = fits.dataset(options.of(head), design.copies, cache)
        for asked, trained in {(): (), **sets}.items():
            found = fits.of_head(options.of(head), data, design, trained)
            words = tuple(word for word in asked if word != CLEAN_WORD)
            yield Run(head, str(data.features), words, groups.scored(found))
