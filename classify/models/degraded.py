"""A head in degraded speech: training on copies of the training speakers, and scores by condition.

Whether copies are trained on is chosen like everything else of a model: folds of the speakers of
each training part compare training with and without them, by the mean UAR over clean speech and the
conditions that are given. No copy of a tested speaker is ever trained on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from classify.conditions import Copies, named
from classify.dataset import Dataset, Selection, with_features
from classify.evaluation.folds import Folds, Parts, with_everything
from classify.evaluation.tuning import Settings
from classify.models.calibration import tempered
from classify.options import Options
from classify.robustness.design import ALL, CLEAN, CONDITION, Design, Probabilities, Row
from classify.robustness.study import complete
from classify.stats.scores import Json
from classify.studies.fits import Output, is_batched, predict_parts
from data.cache import Cache
from data.condition import CLEAN as CLEAN_NAME


@dataclass
class _Fitter:
    """Fits a head with the settings of each fold; the last settings are those of everything."""

    options: Options
    copies: Copies
    cache: Cache
    settings: Sequence[Settings]
    jobs: int
    _read: dict[object, Dataset] = field(default_factory=dict)  # of the last layer alone

    def __call__(self, numbers: Iterable[int], parts: Parts) -> list[Output]:
        """Probabilities (tested sample, class) of parts, with the settings of some folds."""
        chosen = [self.settings[number] for number in numbers]
        groups: dict[str, list[int]] = {}
        for place, own in enumerate(chosen):
            together = own.get("layer") if is_batched(self.options) else sorted(own.items())
            groups.setdefault(str(together), []).append(place)
        found: dict[int, Output] = {}
        for places in groups.values():
            given = [chosen[place] for place in places]
            settings = {name: one for name, one in given[0].items() if name != "layer"}
            if "C" in settings and is_batched(self.options):
                settings["C"] = np.array([one["C"] for one in given])
            some = [parts[place] for place in places]
            data = self.data(given[0])
            outputs = predict_parts(self.options, data, some, settings, self.jobs)
            found.update(zip(places, outputs, strict=True))
        return [found[place] for place in range(len(parts))]

    def data(self, settings: Settings) -> Dataset:
        """All samples with the features of some settings."""
        layer = settings.get("layer", self.options.layer)
        if layer not in self._read:
            self._read.clear()
            options = replace(self.options, layer=layer)
            self._read[layer] = with_features(self.copies.everything, options, self.cache)
        return self._read[layer]


@dataclass(frozen=True)
class Degraded:
    """Clean speech and its copies, what is trained on, and held-out predictions of both."""

    design: Design
    augment: Json | None  # the choice, as ``model.json`` holds it
    everything: Dataset  # what the model is fitted to: clean utterances, and copies if chosen
    held_out: Probabilities | None  # (sample, class); None: without folds

    @property
    def of_clean(self) -> npt.NDArray[np.float64] | None:
        """(utterance, class) held-out probabilities of clean speech."""
        if self.held_out is None:
            return None
        return self.held_out[: len(self.design.copies.selection.y)].astype(np.float64)

    def as_json(self, temperature: float) -> Json:
        """The field of ``model.json``: the augmentation, and calibrated scores by condition."""
        conditions = None
        if self.held_out is not None and self.design.tested:
            calibrated = tempered(self.held_out, temperature).astype(np.float32)
            conditions = {
                row.group.name: _row(row)
                for row in self.design.scored(calibrated).rows
                if row.group.what in (CLEAN, CONDITION, ALL)
            }
        return {"augment": self.augment, "conditions": conditions}


def _row(row: Row) -> Json:
    return {
        "utterances": row.group.utterances,
        "uar": row.scores.uar,
        "ci95": row.scores.interval,
        "change": row.change.uar if row.change else None,
        "ci95_change": row.change.interval if row.change else None,
        "p_holm": row.change.corrected if row.change else None,
        "unchanged": row.unchanged,
        "ece": row.ece,
    }


def degraded(
    options: Options,
    selection: Selection,
    folds: Folds,
    settings: Sequence[Settings],
    cache: Cache,
    augment: Sequence[str],
    jobs: int,
) -> Degraded:
    """Choose whether copies are trained on, and predict all conditions of the test parts.

    Args:
        options: of the head.
        selection: the clean utterances.
        folds: by which they are held out; may be none.
        settings: layer, C or tuned parameters of each training part; the last of all utterances.
        cache: with all conditions.
        augment: names or kinds of conditions to train on; none: clean speech alone.
        jobs: as of `classify.evaluation.crossvalidate.cross_validate`.

    Raises:
        UsageError: a condition is unknown.
        HeadError: the head cannot be fitted.
    """
    conditions = named(cache.conditions, augment, "--augment") if augment else ()
    copies = Copies.of(selection, cache, cache.conditions)
    fit = _Fitter(options, copies, cache, settings, jobs)
    choice, trained = None, np.zeros(len(folds) + 1, bool)
    if conditions:
        trained, choice = _choose(fit, copies, folds, augment, conditions, options.seed)
    held_out: Probabilities | None = None
    tested = complete(copies, folds, cache.conditions)[0] if len(folds) else ()
    design = Design(copies, folds, tested, options.seed)
    if len(folds):
        each = zip(design.parts(conditions), design.parts(), trained, strict=False)
        parts = [augmented if chosen else plain for augmented, plain, chosen in each]
        held_out = design.joined(fit(range(len(folds)), parts))
    everyone = np.arange(len(selection.y))
    data = fit.data(settings[-1])
    everything = data.part(copies.samples(everyone, conditions if trained[-1] else ()))
    return Degraded(design, choice, everything, held_out)


def _choose(
    fit: _Fitter,
    copies: Copies,
    folds: Folds,
    asked: Sequence[str],
    conditions: tuple[str, ...],
    seed: int,
) -> tuple[npt.NDArray[np.bool_], Json]:
    """Whether copies are trained on in each part, of which the last is all utterances."""
    folds = replace(folds, by_speaker=copies.selection.speakers_known)
    design = Design(copies, with_everything(folds, len(copies.selection.y)), conditions, seed)
    scores, kind = [], ""
    for trained in ((), conditions):
        inner = numbers, parts, kind = design.inner(trained)
        outputs = fit(numbers, parts)
        scores.append(design.inner_uar(inner, outputs, (CLEAN_NAME, *conditions)))
    without, trained_on = scores
    chosen = trained_on > without  # not if that is only as good
    *in_folds, everything = chosen.tolist()
    return chosen, {
        "asked": list(asked),
        "conditions": list(conditions),
        "by": kind,
        "uar": {"without": float(without[-1]), "with": float(trained_on[-1])},
        "chosen": everything,
        "in_folds": in_folds,
    }
