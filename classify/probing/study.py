"""Probe every layer of a cache for every target."""

import contextlib
import logging
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from classify.dataset import grouping, of_corpora
from classify.evaluation.scheduling import spread
from classify.heads.linear.batched import DEFAULT_C
from classify.heard import marked
from classify.options import EMOTION_TARGETS
from classify.probing import controls, scores
from classify.probing.audit import Audit, checks, constant_features, encoder, same_sound
from classify.probing.curves import ChoiceOfC, Curve, candidates, counts_by, curve
from classify.probing.description_length import description_length
from classify.probing.layers import CacheLayers, Control, mapped
from classify.probing.options import ProbeOptions
from classify.probing.removal import without_speaker_means, without_speaker_subspace
from classify.probing.result import (
    CodeLength,
    ControlCurve,
    LayerScores,
    Probe,
    RemovedCurve,
    ShuffledCurve,
    ShuffledLayer,
    TargetResult,
)
from classify.probing.selection import Nested, nested
from classify.probing.targets import Task, tasks
from classify.stats import best
from classify.stats.metrics import uar
from classify.stats.scores import Scores
from data.cache import Cache
from data.cache.by_fold import FoldedCache, open_cache
from data.cache.file import require_sound
from data.errors import UsageError

if TYPE_CHECKING:
    from classify.probing.maps import LayerMaps
    from classify.probing.similarity import Similarities

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
        cache = opened.enter_context(open_cache(options.cache))
        _require_sound(cache)
        _require_one_encoder(cache, options)
        poolings = _poolings(options, cache)
        table = of_corpora(cache.utterances, options.selection("emotion"))
        control = None
        if options.control:
            other = opened.enter_context(Cache(options.control))
            _require_sound(other)
            control = Control.of(other, table)
            table = table[table.index.isin(control.row)]
        found, skipped = tasks(cache.utterances if control is None else table, options)
        for name, why in skipped.items():
            log.info("%s is not probed: %s", name, why)
        rows = table.index.to_numpy()
        alike = _similarities(cache, options, rows)
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
            audit=_audit(results, CacheLayers(cache, poolings, rows), options),
            similarities=alike,
            maps=_maps(cache, results, options),
        )


def _similarities(
    cache: Cache, options: ProbeOptions, rows: npt.NDArray[np.intp]
) -> "Similarities | None":
    """Compare the layers first, so that a cache of other utterances is refused before anything is
    fitted."""
    if options.quick or isinstance(cache, FoldedCache):  # there is no common space of layers
        return None
    from classify.probing.geometry import similarities

    return similarities(cache, options, rows)


def _maps(
    cache: Cache, results: dict[str, TargetResult], options: ProbeOptions
) -> "LayerMaps | None":
    """Maps for the first target; none for a quick probe, as they take long to import."""
    if options.quick or isinstance(cache, FoldedCache):
        return None
    from classify.probing.geometry import layer_maps

    return layer_maps(cache, options, next(iter(results.values())))


def _require_sound(cache: Cache) -> None:
    for one in cache.caches if isinstance(cache, FoldedCache) else [cache]:
        for file in one.files:
            require_sound(file)


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

    def result(self) -> TargetResult:
        """Compute all parts that the options request."""
        task, options = self.task, self.options
        choice = self._choice()
        main = curve(task, self.source, options.head, choice, self.source.name)
        majority = counts_by(task, controls.majority(task)[None]).sum(0)[0]
        found = TargetResult(
            task=task,
            C=choice.kind,
            pooling=main.pooling,
            layers=scores.of_layers(main),
            predictions=main.predictions,
            majority=Scores.without_intervals(majority, task.classes),
            best=best(main.counts, seed=options.seed),
        )
        if options.quick:
            return found
        honest = nested(main)
        removes = options.remove and task.target == removed_target(options)
        return replace(
            found,
            nested=scores.of_nested(main, honest, found.top.scores.uar),
            nested_predictions=honest.predictions,
            poolings=self._poolings_alone(choice),
            shuffled=self._shuffled(main) if options.shuffles else None,
            control=self._of_control(self.control, honest, choice) if self.control else None,
            baselines=self._baselines(choice),
            removed=self._removed(choice) if removes else None,
            description_length=self._description_length() if options.mdl else [],
        )

    def _choice(self) -> ChoiceOfC:
        options = self.options
        if options.quick:
            return ChoiceOfC.fixed(options.C or DEFAULT_C.get(options.head, 1.0))
        C = candidates(options.head) if options.C is None else np.array([options.C])
        return ChoiceOfC.nested(self.task, C, options.seed)

    def _poolings_alone(self, choice: ChoiceOfC) -> dict[str, list[LayerScores]]:
        if len(self.poolings) == 1:
            return {}
        sources = [CacheLayers(self.cache, (name,), self.source.rows) for name in self.poolings]
        return {
            source.name: scores.of_layers(
                curve(self.task, source, self.options.head, choice, source.name)
            )
            for source in sources
        }

    def _baselines(self, choice: ChoiceOfC) -> dict[str, LayerScores]:
        """Probe the features that are computed without an encoder."""
        rows = self.task.selection.rows
        names = sorted(self.cache.baselines, reverse=True)  # "logmel" before the others
        sources = {name: self.source.baseline(name) for name in names}
        seconds = self.cache.utterances["duration"].to_numpy()[rows, None].astype(np.float32)
        if np.ptp(seconds) > 0:
            sources["duration"] = seconds
        found = {}
        for name, X in sources.items():
            of = curve(self.task, [(None, X)], self.options.head, choice, name)
            (found[name],) = scores.of_layers(of)
        return found

    def _shuffled(self, main: Curve) -> ShuffledCurve:
        options = self.options
        result = controls.shuffled(main, self.source, options.head, options.shuffles, options.seed)
        true = uar(main.counts.sum(0))
        columns = (
            result.scores.mean(1).tolist(),
            result.scores.std(1).tolist(),
            result.selectivity(true).tolist(),
            result.p(true).tolist(),
        )
        layers = [ShuffledLayer(*row) for row in zip(self.cache.layers, *columns, strict=True)]
        return ShuffledCurve(options.shuffles, result.scheme, layers)

    def _of_control(self, control: Control, honest: Nested, choice: ChoiceOfC) -> ControlCurve:
        options, cache = self.options, control.cache
        source = control.source(self.poolings, self.task.selection.rows)
        of = curve(self.task, source, options.head, choice, source.name)
        both = np.stack([honest.predictions, nested(of).predictions])
        return ControlCurve(
            recipe=cache.recipe,
            fingerprint=cache.fingerprint,
            pooling=source.name,
            layers=scores.of_layers(of),
            best=best(of.counts, seed=options.seed),
            difference=scores.difference(self.task, both, options.seed),
        )

    def _removed(self, choice: ChoiceOfC) -> RemovedCurve:
        task, speakers = self.task, self.task.selection.speakers
        grouping(task.selection.utterances, "speaker", "--remove", "a probe without --remove")
        source, head = self.source, self.options.head
        mean = self.options.remove == "speaker"
        if mean:
            remove = partial(without_speaker_means, speakers=speakers)
            without = ((layer, mapped(X, remove)) for layer, X in source)
            of = curve(task, without, head, choice, source.name)
        else:
            subspace = without_speaker_subspace(task.y, speakers)
            of = curve(task, source, head, choice, source.name, subspace)
        return RemovedCurve(
            what="mean of each speaker" if mean else "subspace of the training speakers",
            transductive=mean,
            layers=scores.of_layers(of),
        )

    def _description_length(self) -> list[CodeLength]:
        options = self.options
        C = candidates(options.head) if options.C is None else np.array([options.C])
        layers = self.source.of_encoder(self.cache)
        lengths = description_length(self.task, layers, options.head, C, options.seed)
        return [
            CodeLength(layer, float(C), float(bits.mean()), float(bits.std()), lengths.uniform)
            for layer, C, bits in zip(self.cache.layers, lengths.C, lengths.bits, strict=True)
        ]


def removed_target(options: ProbeOptions) -> str:
    """The target that is probed again without its speakers: the emotion, or the first."""
    targets = options.targets or ("emotion",)
    return next((name for name in targets if name in EMOTION_TARGETS), targets[0])


def _audit(results: dict[str, TargetResult], source: CacheLayers, options: ProbeOptions) -> Audit:
    cache = source.cache
    table = cache.utterances.loc[source.rows]
    one = [*source.of_encoder(cache.caches[0] if isinstance(cache, FoldedCache) else cache)]
    pairs = same_sound(table, one[0][1])
    looked = [check for result in results.values() for check in checks(result.task, pairs)]
    kinds = {name: result.C for name, result in results.items()}
    of_encoder = encoder(cache.recipe, table)
    fitted = [("encoder", f"elsewhere: {of_encoder.detail}"), *_fitted(kinds, options)]
    return Audit((of_encoder, *looked, constant_features(one)), tuple(fitted))


def _fitted(kinds: dict[str, str], options: ProbeOptions) -> list[tuple[str, str]]:
    """What was fitted, and on what; `kinds`: target → how C was chosen."""
    lines = [
        ("scaler and probe", "the training part of each fold"),
    ]
    for kind in dict.fromkeys(kinds.values()):
        of = ", ".join(name for name, other in kinds.items() if other == kind)
        lines.append((f"C ({of})", kind))
    if options.quick:
        lines.append(("best layer", "the test parts: its score is that of a winner"))
        return lines
    lines.append(("layer of the nested choice", "inner folds of each training part"))
    lines.append(("C of shuffled labels", "that of the true labels in each training part"))
    lines.append(("best layer", "the test parts: its score is that of a winner"))
    if options.remove == "speaker":
        lines.append(("speaker's mean", "all utterances of that speaker, no labels: transductive"))
    if options.remove == "speaker-subspace":
        lines.append(("speaker subspace", "the training part of each fold, with its labels"))
    if options.mdl:
        lines.append(("C of the code", "the labels it codes; its choice is paid for in bits"))
    return lines
