"""The result of a probe, and ``probe.json``.

``probe.json`` contains no times or absolute paths, so the same command gives the same bytes::

    command, encoder, control (bool), engine, precision, corpora, utterances, fingerprint, options
    targets.<target>
        utterances, classes, support {class: utterances}, chance
        folds {kind, count, groups, audit} groups: what schemes keep on one side: speaker, sentence;
                                           audit: of given folds, see `FoldsAudit`
        C                                  how it was chosen, as text
        pooling "mean+std"                 poolings laid end to end; of everything but `poolings`
        layers[k] ROW                      in the order of the layers
        poolings {"mean": [ROW, …], …}     each pooling alone, where there are several
        majority SCORES                    always the most frequent class of the training part
        best {layer, uar, equals, smallest_p, compared [{layer, difference, p}]}
                                           equals: the layers not distinguishable from it;
                                           smallest_p: the least p that so few speakers allow
        selection SCORES + {ci95, best_on_test, optimism, folds [{fold, layer, C}],
                   per_class, per_speaker, confusion}          the nested choice of layer and C
        controls.shuffled {shuffles, scheme, layers [{layer, uar, deviation, selectivity, p}]}
        controls.control  {encoder, control, engine, precision, fingerprint, utterances, pooling,
                           layers [ROW], best,
                           difference {uar, ci95, p}}          --control; of the nested choices
        controls.logmel, .energy, .duration    ROW, "layer" null; what the cache has
        removed {what, transductive, layers [ROW]}             --remove
        description_length [{layer, C, bits, uniform_bits, compression, deviation}]   --mdl
    similarity {layers, against}           against: null without --against
        {encoders, layers, poolings, utterances, of, cka [[…]]}    of: utterances chosen here
    skipped {target: why}
    audit {passed, checks [{check, target, status, detail}], fitted [{what, where}]}

    SCORES  uar, accuracy, f1_macro
    ROW     layer, SCORES, ci95 [low, high] of the UAR, ci95_accuracy, ci95_f1_macro (null below
            4 speakers),
            C (of each fold), per_class {class: {precision, recall, f1, support}},
            per_speaker {speaker: {uar, accuracy, utterances}}, confusion (rows: truth)

Parts that were not requested (``--quick``) are missing. Status of a check: "ok", "note" or "fail".
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from classify.probing.checks import Audit
from classify.probing.options import ProbeOptions
from classify.probing.targets import Task
from classify.stats.scores import Json, Scores
from classify.stats.tests import Best
from classify.studies.results import Difference
from data.cache.recipe import Recipe, encoder_json

if TYPE_CHECKING:
    from classify.probing.maps import LayerMaps
    from classify.probing.similarity import Similarities


@dataclass(frozen=True)
class SpeakerScores:
    """Scores of predictions, overall and by speaker."""

    scores: Scores
    per_speaker: dict[str, Scores]

    def as_json(self) -> Json:
        """As plain JSON."""
        of_speakers = {
            name: {**own.values, "utterances": own.utterances}
            for name, own in self.per_speaker.items()
        }
        return {**self.scores.as_json(), "per_speaker": of_speakers}


@dataclass(frozen=True)
class LayerScores(SpeakerScores):
    """Scores of the probes on one layer, or on features without layers."""

    layer: int | None
    C: list[float]  # (fold,)

    def as_json(self) -> Json:
        """A ROW."""
        return {"layer": self.layer, "C": self.C, **super().as_json()}


@dataclass(frozen=True)
class FoldChoice:
    """The layer and C that were chosen by the training part of a fold."""

    fold: int
    layer: int
    C: float


@dataclass(frozen=True)
class NestedScores(SpeakerScores):
    """Scores of the nested choice of layer and C."""

    best_on_test: float  # UAR of the layer that is best on test
    folds: list[FoldChoice]

    @property
    def optimism(self) -> float:
        """By how much the UAR of the layer that is best on test is too high."""
        return self.best_on_test - self.scores.uar

    @property
    def votes(self) -> dict[int, int]:
        """Layer → the number of folds that chose it."""
        return Counter(choice.layer for choice in self.folds)

    def as_json(self) -> Json:
        """Its part of ``probe.json``."""
        return {
            **super().as_json(),
            "best_on_test": self.best_on_test,
            "optimism": self.optimism,
            "folds": [asdict(choice) for choice in self.folds],
        }


@dataclass(frozen=True)
class ShuffledLayer:
    """Scores of the probes on one layer with shuffled labels."""

    layer: int
    uar: float  # mean over the shuffles
    deviation: float
    selectivity: float  # UAR with the true labels less `uar`
    p: float  # of so high a UAR with the true labels by chance


@dataclass(frozen=True)
class ShuffledCurve:
    """The same on every layer."""

    shuffles: int
    scheme: str  # as text
    layers: list[ShuffledLayer]


@dataclass(frozen=True)
class ControlCurve:
    """The same target, probed in the cache of another encoder."""

    recipe: Recipe
    fingerprint: str
    pooling: str
    layers: list[LayerScores]
    best: Best
    difference: Difference  # of the nested choices, this target's less the control's

    def as_json(self, utterances: int) -> Json:
        """Its part of ``probe.json``."""
        apart = self.difference
        return {
            **encoder_json(self.recipe),
            "fingerprint": self.fingerprint,
            "utterances": utterances,
            "pooling": self.pooling,
            "layers": rows_json(self.layers),
            "best": best_json(self.best, self.layers),
            "difference": {"uar": apart.uar, "ci95": apart.interval, "p": apart.p},
        }


@dataclass(frozen=True)
class RemovedCurve:
    """The same target, probed in features without the speaker."""

    what: str  # was removed, as text
    transductive: bool
    layers: list[LayerScores]


@dataclass(frozen=True)
class CodeLength:
    """Online code length of the labels, given the features of one layer."""

    layer: int
    C: float
    bits: float  # mean over orders of the speakers
    deviation: float  # bits, over orders of the speakers
    uniform_bits: float

    @property
    def compression(self) -> float:
        """Length of the uniform code divided by the length of this code."""
        return self.uniform_bits / self.bits

    def as_json(self) -> Json:
        """Its part of ``probe.json``."""
        return {**asdict(self), "compression": self.compression}


@dataclass(frozen=True)
class TargetResult:
    """The result for one target. Parts that were not requested are None or empty."""

    task: Task
    C: str  # how it was chosen, as text
    pooling: str  # poolings laid end to end
    layers: list[LayerScores]
    predictions: npt.NDArray[np.intp]  # (layer, utterance)
    majority: Scores  # always the most frequent class of the training part
    best: Best  # index: of `layers`
    nested: NestedScores | None = None
    nested_predictions: npt.NDArray[np.intp] | None = None  # (utterance,)
    poolings: dict[str, list[LayerScores]] = field(default_factory=dict)  # each alone
    shuffled: ShuffledCurve | None = None
    control: ControlCurve | None = None
    baselines: dict[str, LayerScores] = field(default_factory=dict)  # "logmel", "duration", …
    removed: RemovedCurve | None = None
    description_length: list[CodeLength] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the target."""
        return self.task.target

    @property
    def chance(self) -> float:
        """UAR of guessing."""
        return 1 / len(self.task.classes)

    @property
    def numbers(self) -> list[int]:
        """(layer,) numbers of the layers."""
        return numbers(self.layers)

    @property
    def top(self) -> LayerScores:
        """The layer that is best on test."""
        return self.layers[self.best.index]

    @property
    def equals(self) -> list[int]:
        """The other layers that are not distinguishable from it."""
        return [self.numbers[index] for index in self.best.equals if index != self.best.index]

    def as_json(self) -> Json:
        """Its part of ``probe.json``."""
        folds, utterances = self.task.folds, self.majority.utterances
        found: Json = {
            "utterances": utterances,
            "classes": list(self.task.classes),
            "support": self.majority.support,
            "chance": self.chance,
            "folds": {
                "kind": folds.kind,
                "count": len(folds),
                "groups": self.task.grouped_by or None,
                **({"audit": folds.audit.as_json()} if folds.audit else {}),
            },
            "C": self.C,
            "pooling": self.pooling,
            "layers": rows_json(self.layers),
            "majority": self.majority.values,
            "best": best_json(self.best, self.layers),
        }
        if self.nested:
            found |= {
                "selection": self.nested.as_json(),
                "poolings": {name: rows_json(rows) for name, rows in self.poolings.items()},
                "controls": {
                    **({"shuffled": asdict(self.shuffled)} if self.shuffled else {}),
                    **({"control": self.control.as_json(utterances)} if self.control else {}),
                    **{name: row.as_json() for name, row in self.baselines.items()},
                },
            }
        if self.removed:
            found["removed"] = {**vars(self.removed), "layers": rows_json(self.removed.layers)}
        if self.description_length:
            found["description_length"] = rows_json(self.description_length)
        return found


def rows_json(rows: Sequence[LayerScores | CodeLength]) -> list[Json]:
    """A list of rows."""
    return [row.as_json() for row in rows]


def numbers(rows: Sequence[LayerScores]) -> list[int]:
    """(row,) their layers."""
    return [row.layer for row in rows if row.layer is not None]


def best_json(best: Best, layers: list[LayerScores]) -> Json:
    """The best layer, its equals and the comparisons."""
    return best.as_json("layer", numbers(layers), layers[best.index].scores.uar)


@dataclass(frozen=True)
class Probe:
    """A probe of a cache."""

    options: ProbeOptions
    command: str
    recipe: Recipe
    fingerprint: str
    corpora: dict[str, int]  # corpus → utterances
    targets: dict[str, TargetResult]
    skipped: dict[str, str]  # target → why it is not probed
    audit: Audit
    similarities: "Similarities | None" = None  # none, nor maps, of a quick probe
    maps: "LayerMaps | None" = None  # coloured by the first target

    @property
    def utterances(self) -> int:
        """Number of chosen utterances."""
        return sum(self.corpora.values())

    @property
    def first(self) -> TargetResult:
        """The first target."""
        return next(iter(self.targets.values()))

    def predictions(self) -> Iterator[list[str]]:
        """The rows of ``predictions.csv``, the header first: an utterance of a target a row, with
        the prediction on every layer."""
        layers = (f"layer_{number}" for number in self.first.numbers)
        yield ["target", "id", "speaker", "fold", "truth", "nested", *layers]
        for target in self.targets.values():
            chosen, names = target.task.selection, np.array(target.task.classes)
            nested, fold = target.nested_predictions, target.task.folds.fold
            columns = (
                chosen.utterances["id"],
                chosen.speakers,
                fold,
                names[chosen.y],
                np.full(len(chosen.y), "") if nested is None else names[nested],
                *names[target.predictions],
            )
            for row in zip(*(column[fold >= 0] for column in columns), strict=True):
                yield [target.name, *map(str, row)]

    @property
    def metrics(self) -> Json:
        """The content of ``probe.json``."""
        return {
            "command": self.command,
            **encoder_json(self.recipe),
            "corpora": self.corpora,
            "utterances": self.utterances,
            "fingerprint": self.fingerprint,
            "options": self.options.as_json(),
            "targets": {name: target.as_json() for name, target in self.targets.items()},
            **({"similarity": self.similarities.as_json()} if self.similarities else {}),
            "skipped": self.skipped,
            "audit": self.audit.as_json(),
        }
