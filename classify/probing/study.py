"""Probe every layer of a cache for every target."""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from classify.dataset import grouping, of_corpora, sound, verified
from classify.evaluation.scheduling import spread
from classify.features import Features
from classify.heads.linear.batched import DEFAULT_C
from classify.heard import marked
from classify.options import EMOTION_TARGETS
from classify.probing import controls
from classify.probing.audit import audit
from classify.probing.curves import ChoiceOfC, Curve, candidates, counts_by, curve
from classify.probing.description_length import description_length
from classify.probing.layers import ALL, CacheLayers, Control, FoldFeatures, Layer
from classify.probing.options import ProbeOptions
from classify.probing.removal import without_speaker_means, without_speaker_subspace
from classify.probing.result import (
    CodeLength,
    ControlCurve,
    LayerScores,
    Probe,
    RemovedCurve,
    TargetResult,
)
from classify.probing.similarity import Similarities, compare
from classify.probing.targets import Task, tasks
from classify.stats import best
from classify.stats.scores import Scores
from classify.studies.results import differences
from data.cache import Cache
from data.cache.by_fold import FoldedCache
from data.errors import UsageError

if TYPE_CHECKING:
    from classify.probing.maps import LayerMaps

log = logging.getLogger("wav2emo")


def probe(options: ProbeOptions, command: str = "") -> Probe:
    """Probe every layer of the cache that `options` name for every target.

    Args:
        options: what decides the numbers.
        command: the command line, for the report.

    Raises:
        CacheError: the cache does not exist, is damaged, or contains NaN.
        UsageError: the cache lacks what the options require.
    """
    with contextlib.ExitStack() as opened:
        cache = opened.enter_context(sound(options.cache))
        _require_one_encoder(cache, options)
        poolings = _poolings(options, cache)
        table = of_corpora(cache.utterances, options.selection("emotion"))
        control = None
        if options.control:
            other = verified(opened.enter_context(Cache(options.control)))
            control = Control.of(other, table)
            table = table[table.index.isin(control.row)]
        found, skipped = tasks(cache.utterances if control is None else table, options)
        for name, why in skipped.items():
            log.info("%s is not probed: %s", name, why)
        rows = table.index.to_numpy()
        whole = not options.quick and not isinstance(cache, FoldedCache)  # one space of features
        # first, so that a cache of other utterances is refused before anything is fitted
        similarities = _similarities(cache, options, rows) if whole else None
        targets = (_Target(task, cache, poolings, options, control) for task in found)
        results = {result.name: result for result in spread(_Target.result, targets)}
        return Probe(
            options=options,
            command=command,
            recipe=marked(cache.recipe, table),
            fingerprint=cache.fingerprint,
            corpora=dict(sorted(Counter(table["corpus"]).items())),
            targets=results,
            skipped=skipped,
            audit=audit(results, CacheLayers(cache, poolings, rows), options),
            similarities=similarities,
            maps=_maps(cache, options, next(iter(results.values()))) if whole else None,
        )


def _similarities(cache: Cache, options: ProbeOptions, rows: npt.NDArray[np.intp]) -> Similarities:
    against = None
    if options.against:
        with Cache(options.against) as other:
            against = compare(cache, other, rows, options.poolings)
    return Similarities(compare(cache, None, rows, options.poolings), against)


def _maps(cache: Cache, options: ProbeOptions, target: TargetResult) -> "LayerMaps":
    """Maps of the layer that most folds chose, the lowest of several."""
    from classify.probing.maps import LayerMaps, draw_maps  # late: imports scikit-learn

    votes = target.nested.votes if target.nested else {}
    layer = min(votes, key=lambda layer: (-votes[layer], layer))
    chosen = target.task.selection
    features = Features(layer, (layer,), options.poolings or cache.poolings)
    X = features.of_cache(cache, chosen.rows)
    return LayerMaps(layer, draw_maps(X, chosen.y, chosen.speakers, options.seed))


def _require_one_encoder(cache: Cache, options: ProbeOptions) -> None:
    """Refuse what compares or codes all utterances in the layers of one encoder."""
    needs = {"--against": options.against, "--mdl": options.mdl}
    if isinstance(cache, FoldedCache) and (given := [name for name in needs if needs[name]]):
        raise UsageError(
            f"{given[0]} needs the layers of one encoder, and {cache.path} has an encoder per "
            f"fold: leave it out, or probe a cache in there, such as {cache.caches[0].path}"
        )


def _poolings(options: ProbeOptions, cache: Cache) -> tuple[str, ...]:
    if unknown := [name for name in options.poolings if name not in cache.poolings]:
        raise UsageError(
            f"--pooling {','.join(unknown)}: {cache.path} holds {', '.join(cache.poolings)}"
        )
    return options.poolings or cache.poolings


@dataclass(frozen=True)
class _Target:
    """Computes the result for one target."""

    task: Task
    cache: Cache
    poolings: tuple[str, ...]
    options: ProbeOptions
    control: Control | None

    @property
    def source(self) -> CacheLayers:
        return CacheLayers(self.cache, self.poolings, self.task.selection.rows)

    @property
    def C(self) -> npt.NDArray[np.float64]:
        """(candidate,)"""
        options = self.options
        return candidates(options.head) if options.C is None else np.array([options.C])

    @cached_property
    def choice(self) -> ChoiceOfC:
        options = self.options
        if options.quick:
            return ChoiceOfC.fixed(options.C or DEFAULT_C.get(options.head, 1.0))
        return ChoiceOfC.nested(self.task, self.C, options.seed)

    def curve(self, layers: Iterable[tuple[Layer, FoldFeatures]], name: str) -> Curve:
        return curve(self.task, layers, self.options.head, self.choice, name)

    def result(self) -> TargetResult:
        """Compute all parts that the options request."""
        task, options, source = self.task, self.options, self.source
        main = self.curve(source, source.name)
        majority = controls.most_frequent(task, np.full(len(task.y), ""))
        found = TargetResult(
            task=task,
            C=self.choice.kind,
            pooling=main.pooling,
            layers=main.scores,
            predictions=main.predictions,
            majority=Scores.without_intervals(majority, task.classes),
            best=best(main.counts, seed=options.seed),
        )
        if options.quick:
            return found
        head, shuffles = options.head, options.shuffles
        removes = options.remove and task.target == removed_target(options)
        return replace(
            found,
            nested=main.nested_scores(found.top.scores.uar),
            nested_predictions=main.nested,
            poolings=self._poolings_alone(),
            shuffled=controls.shuffled(main, source, head, shuffles, options.seed)
            if shuffles
            else None,
            control=self._of_control(self.control, main) if self.control else None,
            baselines=self._baselines(),
            removed=self._removed() if removes else None,
            description_length=self._description_length() if options.mdl else [],
        )

    def _poolings_alone(self) -> dict[str, list[LayerScores]]:
        """Probe each pooling, where there are several."""
        names = self.poolings if len(self.poolings) > 1 else ()
        alone = {name: CacheLayers(self.cache, (name,), self.source.rows) for name in names}
        return {name: self.curve(source, name).scores for name, source in alone.items()}

    def _baselines(self) -> dict[str, LayerScores]:
        """Probe the features that are computed without an encoder."""
        rows = self.task.selection.rows
        names = sorted(self.cache.baselines, reverse=True)  # "logmel" before the others
        sources = {name: self.source.baseline(name) for name in names}
        seconds = self.cache.utterances["duration"].to_numpy()[rows, None].astype(np.float32)
        if np.ptp(seconds) > 0:
            sources["duration"] = seconds
        curves = {name: self.curve([(None, [(ALL, X)])], name) for name, X in sources.items()}
        return {name: of.scores[0] for name, of in curves.items()}

    def _of_control(self, control: Control, main: Curve) -> ControlCurve:
        task, options = self.task, self.options
        source = control.source(self.poolings, task.selection.rows)
        of = self.curve(source, source.name)
        counts = counts_by(task, np.stack([main.nested, of.nested]))
        (apart,) = differences(counts[:, :1], counts[:, 1:], [task.target], options.seed)
        return ControlCurve(
            recipe=control.cache.recipe,
            fingerprint=control.cache.fingerprint,
            pooling=source.name,
            layers=of.scores,
            best=best(of.counts, seed=options.seed),
            difference=apart,
        )

    def _removed(self) -> RemovedCurve:
        task, speakers = self.task, self.task.selection.speakers
        grouping(task.selection.utterances, "speaker", "--remove", "a probe without --remove")
        mean = self.options.remove == "speaker"
        subspace = without_speaker_subspace(task.y, speakers)

        def without(read: FoldFeatures) -> FoldFeatures:
            for folds, X in read:
                if mean:
                    yield folds, without_speaker_means(X, speakers)
                    continue
                for fold in range(len(task.folds))[folds]:
                    yield slice(fold, fold + 1), subspace(X, task.folds.train[fold])

        layers = ((layer, without(read)) for layer, read in self.source)
        return RemovedCurve(
            what="mean of each speaker" if mean else "subspace of the training speakers",
            transductive=mean,
            layers=self.curve(layers, self.source.name).scores,
        )

    def _description_length(self) -> list[CodeLength]:
        layers = self.source.of_encoder(self.cache)
        return description_length(self.task, layers, self.options.head, self.C, self.options.seed)


def removed_target(options: ProbeOptions) -> str:
    """The target that is probed again without its speakers: the emotion, or the first."""
    targets = options.targets or ("emotion",)
    return next((name for name in targets if name in EMOTION_TARGETS), targets[0])
