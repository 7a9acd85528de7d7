"""What a comparison found, and ``compare.json``.

``compare.json`` has neither times nor places, so the same command gives the same bytes; how long
each head took stands in ``run.json``::

    encoder, control (bool), engine, precision, corpora, utterances, classes,
    support {class: utterances}, chance, fingerprint, options
    folds {kind, count, by_speaker}
    units {what, count}           what is left out and exchanged: speakers, or utterances where the
                                  speakers are unknown
    heads[k] ROW                  in the order asked for
    best {head, uar, smallest_p, equals, compared [{head, difference, p}]}
                                  equals: the heads not distinguishable from it; smallest_p: the
                                  least p that so few units allow
    friedman {statistic, freedom, p, F, F_freedom, F_p}       of the UAR of each speaker
    nemenyi {alpha, critical_difference, groups [[head]]}     groups: heads that do not differ in
                                                              their mean ranks
    left_out [reason]             of the tests above, which are null then
    failed {head: reason}

    ROW  head, features, uar, accuracy, f1_macro, ci95 [low, high] of the UAR, ci95_accuracy,
         ci95_f1_macro (null below 4 units), rank (mean over the speakers; null where they are
         unknown),
         per_class {class: {precision, recall, f1, support}}, per_speaker {speaker: uar},
         confusion (rows: truth)
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from classify.compare.options import CompareOptions
from classify.compare.study import Study, study
from classify.stats import best, intervals, ranks
from classify.stats.metrics import Counts, confusions, per_class, scores, uar
from classify.stats.tests import Best
from data.cache.recipe import encoder_json

Json = dict[str, Any]

FEW_HEADS = "Friedman's test and critical difference: they are for three heads or more"
UNKNOWN_SPEAKERS = (
    "Friedman's test and critical difference: the speakers are unknown. Intervals and p take "
    "utterances for independent; they are too narrow, and too small, where a voice is heard twice"
)


@dataclass(frozen=True)
class Comparison:
    """The heads of a study, held against each other."""

    study: Study

    @property
    def heads(self) -> list[str]:
        """The heads that were fitted, in the order asked for."""
        return [result.head for result in self.study.results]

    @property
    def seconds(self) -> dict[str, float]:
        """How long the cross-validation of each took; never the same twice."""
        return {result.head: round(result.seconds, 2) for result in self.study.results}

    @cached_property
    def metrics(self) -> Json:
        """What ``compare.json`` holds."""
        study, data = self.study, self.study.selection
        scores = self._scores_of_speakers()
        return {
            **encoder_json(study.recipe),
            "corpora": data.corpora,
            "utterances": len(data.y),
            "classes": list(data.classes),
            "support": dict(zip(data.classes, np.bincount(data.y).tolist(), strict=True)),
            "chance": 1 / len(data.classes),
            "fingerprint": study.fingerprint,
            "options": study.options.as_json(),
            "folds": {
                "kind": study.folds.kind,
                "count": len(study.folds),
                "by_speaker": study.folds.by_speaker,
            },
            "units": {
                "what": "speakers" if study.folds.by_speaker else "utterances",
                "count": len(self._counts),
            },
            "heads": self._rows(scores),
            "best": self._best_json(),
            **self._ranked(scores),
            "failed": study.failed,
        }

    @cached_property
    def _units(self) -> tuple[npt.NDArray, npt.NDArray[np.intp]]:
        """Names of what is left out and exchanged (unit,), and the number of each utterance's."""
        data = self.study.selection
        of = data.speakers.astype(str) if self.study.folds.by_speaker else np.arange(len(data.y))
        return np.unique(of, return_inverse=True)

    @cached_property
    def _counts(self) -> Counts:
        """(unit, head, truth, prediction) confusion matrices, of all seeds together."""
        data = self.study.selection
        of_heads = [
            confusions(data.y, result.predictions, self._units[1], len(data.classes)).sum(1)
            for result in self.study.results
        ]
        return np.stack(of_heads, 1)

    @cached_property
    def _best(self) -> Best:
        return best(self._counts, seed=self.study.options.shared.seed)

    def _scores_of_speakers(self) -> npt.NDArray[np.float64] | None:
        """(speaker, head) UAR over the classes that a speaker has; None: speakers are unknown."""
        return uar(self._counts) if self.study.folds.by_speaker else None

    def _rows(self, of_speakers: npt.NDArray[np.float64] | None) -> list[Json]:
        classes, found = self.study.selection.classes, intervals.of_metrics(self._counts)
        pooled = self._counts.sum(0)
        mean_rank = None if of_speakers is None else ranks.average_ranks(of_speakers)
        return [
            {
                "head": result.head,
                "features": result.features,
                **scores(pooled[head]),
                **{name: pairs[head] for name, pairs in found.items()},
                "rank": None if mean_rank is None else float(mean_rank[head]),
                "per_class": per_class(pooled[head], classes),
                "per_speaker": {}
                if of_speakers is None
                else dict(zip(self._units[0].tolist(), of_speakers[:, head].tolist(), strict=True)),
                "confusion": pooled[head].tolist(),
            }
            for head, result in enumerate(self.study.results)
        ]

    def _best_json(self) -> Json:
        found, names = self._best, self.heads
        return {
            "head": names[found.index],
            "uar": float(uar(self._counts[:, found.index].sum(0))),
            "smallest_p": found.smallest_p,
            "equals": [names[head] for head in found.equals],
            "compared": [
                {
                    "head": name,
                    "difference": float(found.difference[head]),
                    "p": float(found.p[head]),
                }
                for head, name in enumerate(names)
                if head != found.index
            ],
        }

    def _ranked(self, scores: npt.NDArray[np.float64] | None) -> Json:
        """The tests of ranks, or why they are left out."""
        left_out = [FEW_HEADS] if len(self.heads) < ranks.FEWEST else []
        left_out += [UNKNOWN_SPEAKERS] if scores is None else []
        if scores is None or left_out:
            return {"friedman": None, "nemenyi": None, "left_out": left_out}
        difference = ranks.critical_difference(*scores.shape)
        together = ranks.groups(ranks.average_ranks(scores), difference)
        return {
            "friedman": asdict(ranks.friedman(scores)),
            "nemenyi": {
                "alpha": ranks.ALPHA,
                "critical_difference": difference,
                "groups": [[self.heads[head] for head in group] for group in together],
            },
            "left_out": [],
        }


def compare(options: CompareOptions) -> Comparison:
    """Compare the heads that `options` name.

    Raises:
        CacheError, UsageError: there is no such cache, or it does not hold what is asked for.
        HeadError: every head has failed.
    """
    return Comparison(study(options))
