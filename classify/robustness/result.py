"""The result of a robustness study, and ``robustness.json``.

``robustness.json`` contains no times or paths, so the same command gives the same bytes::

    encoder, control (bool), engine, precision, fingerprint, corpora, utterances, classes,
    support {class: utterances}, chance, folds {kind, count, by_speaker, audit}, options
    refused {condition: reason}
    runs[k]                       the first: what is shown condition by condition
        head, features, trained [name or kind]      beside clean speech
        groups[n] ROW
        corruption CORRUPTION
        compared[n] {name, uar, ci95, p, p_holm}     UAR less that of the same head trained on clean
                                  speech alone, in each group; null of that one
    baseline                      like a run, without corruption; null: the cache has no logmel
    layers                        null: not asked for
        head, layers, uar {group: [of each layer]}, ci95 [of each layer, of all conditions], best
        {layer, uar, smallest_p, equals, compared}   of all conditions, on the test parts
        chosen {folds [layer of each fold], by, uar}      by each training part alone

    ROW   what: clean, condition, kind, small or all; name, kind, level, achieved (mean),
          utterances, missing, uar, accuracy, f1_macro, ci95 [low, high] of the UAR, …, per_class,
          confusion, ece, change {uar, ci95, p, p_holm} from clean speech (null of clean speech),
          unchanged, ci95_unchanged
    CORRUPTION  condition {name: {error, relative}}, kind {name: …}, all {all: …}, see `corruption`;
          null: there is no baseline
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from classify.evaluation.folds import Rows
from classify.robustness.design import (
    ALL,
    CLEAN,
    CONDITION,
    KIND,
    Design,
    Group,
    Row,
    Scored,
)
from classify.robustness.options import RobustnessOptions
from classify.stats.intervals import Pair, as_json, of_score
from classify.stats.metrics import Counts, uar
from classify.stats.scores import Json
from classify.stats.tests import Best
from classify.studies.results import Difference, described, table
from data.cache.recipe import Recipe

CHOSEN = "layer chosen in each fold"


@dataclass(frozen=True)
class Run:
    """One head on some features, trained on clean speech and some conditions."""

    head: str
    features: str
    trained: tuple[str, ...]  # names or kinds of conditions beside clean speech
    scored: Scored
    compared: list[Difference] | None = None  # of each group, less that of clean speech alone


@dataclass(frozen=True)
class Corruption:
    """Corruption errors of a group of conditions; None: the quotient is not defined."""

    error: float | None
    relative: float | None


def corruption(rows: Sequence[Row], baseline: Sequence[Row], clean: Row, base: Row) -> Corruption:
    """Corruption error and relative corruption error of some conditions.

    With E the error 1 - UAR of a head and B that of a baseline (Hendrycks and Dietterich 2019,
    Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, section 4.2,
    with the error rate in place of 1 - UAR),

        CE = Σ E_c / Σ B_c,    relative CE = Σ (E_c - E_clean) / Σ (B_c - B_clean)

    over the conditions c of a kind. The latter is not defined where the baseline loses nothing.

    Args:
        rows: of the conditions.
        baseline: those of the baseline.
        clean: clean speech.
        base: that of the baseline.
    """
    error, reference = sum(row.error for row in rows), sum(row.error for row in baseline)
    lost = error - len(rows) * clean.error
    lost_by_baseline = reference - len(rows) * base.error
    return Corruption(
        error / reference if reference > 0 else None,
        lost / lost_by_baseline if lost_by_baseline > 1e-9 else None,
    )


@dataclass(frozen=True)
class LayerFits:
    """Every layer by a linear head, and the one that each training part chooses."""

    head: str
    layers: tuple[int, ...]
    counts: Counts  # (unit, layer, group, truth, prediction)
    chosen: Rows  # (fold,) place of the layer
    kind: str  # of the inner folds that choose, as text
    best: Best  # of the UAR over all conditions on the test parts, and its equals

    @property
    def uar(self) -> npt.NDArray[np.float64]:
        """(layer, group)."""
        return uar(self.counts.sum(0))

    @property
    def intervals(self) -> list[Pair]:
        """(layer,) of the UAR over all conditions."""
        return as_json(of_score(self.counts[:, :, -1]))


@dataclass(frozen=True)
class Robustness:
    """All runs, in all groups of conditions."""

    options: RobustnessOptions
    recipe: Recipe
    fingerprint: str
    design: Design
    runs: tuple[Run, ...]
    layers: LayerFits | None
    baseline: Run | None
    refused: dict[str, str]  # condition → reason

    @property
    def first(self) -> Run:
        """The run that is shown condition by condition."""
        return self.runs[0]

    @property
    def chance(self) -> float:
        """UAR of guessing."""
        return 1 / len(self.design.copies.selection.classes)

    @property
    def kinds(self) -> dict[str, list[Group]]:
        """Kind → its conditions, by level."""
        found: dict[str, list[Group]] = {}
        for group in self.design.groups:
            if group.what == CONDITION:
                found.setdefault(group.kind, []).append(group)
        return found

    @property
    def compared(self) -> dict[int, list[Difference]]:
        """Number of a run that is trained on more than clean speech → UAR of each group less that
        of the same head trained on clean speech."""
        return {number: run.compared for number, run in enumerate(self.runs) if run.compared}

    def corruptions(self, run: Run) -> dict[str, dict[str, Corruption]] | None:
        """Corruption errors of each condition, of each kind, and the mean over the kinds; None:
        there is no baseline."""
        if self.baseline is None:
            return None
        of, other = run.scored, self.baseline.scored
        kinds = {kind: [one.name for one in some] for kind, some in self.kinds.items()}
        names = [name for some in kinds.values() for name in some]
        groups = {CONDITION: {name: [name] for name in names}, KIND: kinds, ALL: {ALL: names}}

        def found(names: Sequence[str]) -> Corruption:
            rows, base = ([one.row(CONDITION, name) for name in names] for one in (of, other))
            return corruption(rows, base, of.row(CLEAN), other.row(CLEAN))

        return {
            what: {name: found(some) for name, some in each.items()}
            for what, each in groups.items()
        }

    @cached_property
    def metrics(self) -> Json:
        """The content of ``robustness.json``."""
        folds = self.design.folds
        tested, options = self.design.copies.selection.part(folds.tested), self.options.as_json()
        return {
            **described(self.recipe, self.fingerprint, tested, folds, options),
            "refused": self.refused,
            "runs": [self._run(run) for run in self.runs],
            "baseline": self._plain_json(self.baseline) if self.baseline else None,
            "layers": self._layers(),
        }

    def _plain_json(self, run: Run) -> Json:
        return {
            "head": run.head,
            "features": run.features,
            "trained": list(run.trained),
            "groups": [row.as_json() for row in run.scored.rows],
        }

    def _run(self, run: Run) -> Json:
        found = self.corruptions(run)
        return {
            **self._plain_json(run),
            "corruption": found and {
                what: {name: vars(one) for name, one in some.items()}
                for what, some in found.items()
            },
            "compared": run.compared and [
                {"name": group.name, **one.as_json()}
                for group, one in zip(self.design.groups, run.compared, strict=True)
            ],
        }  # fmt: skip

    def _layers(self) -> Json | None:
        if (layers := self.layers) is None:
            return None
        scores = layers.uar
        chosen = next(run for run in self.runs if run.features == CHOSEN)
        return {
            "head": layers.head,
            "layers": list(layers.layers),
            "uar": {
                group.name: scores[:, number].tolist()
                for number, group in enumerate(self.design.groups)
            },
            "ci95": layers.intervals,
            "best": layers.best.as_json(
                "layer", layers.layers, float(scores[layers.best.index, -1])
            ),
            "chosen": {
                "folds": [layers.layers[place] for place in layers.chosen],
                "by": layers.kind,
                "uar": chosen.scored.row(ALL).scores.uar,
            },
        }

    def predictions(self) -> Iterator[list[str]]:
        """Rows of ``predictions.csv``, the header first."""
        copies = self.design.copies
        names = np.array(copies.selection.classes)
        tested = np.flatnonzero(self.first.scored.predicted >= 0)
        utterances = copies.selection.utterances.iloc[copies.utterance[tested]]
        return table({
            "id": utterances["id"],
            "speaker": utterances["speaker"],
            "truth": names[copies.y[tested]],
            "condition": np.array(copies.names)[copies.condition[tested]],
            **{title(run): names[run.scored.predicted[tested]] for run in self.runs},
        })  # fmt: skip


def title(run: Run) -> str:
    """Name of a run: head, features where they are not the head's own, what it is trained on."""
    features = f", {run.features}" if run.features == CHOSEN else ""
    trained = f", trained on clean + {' + '.join(run.trained)}" if run.trained else ""
    return f"{run.head}{features}{trained}"
