"""What a probe found, and ``probe.json``.

``probe.json`` has neither times nor absolute places, so the same command gives the same bytes::

    command, encoder, control (bool), engine, precision, corpora, utterances, fingerprint, options
    targets.<target>
        utterances, classes, support {class: utterances}, chance
        folds {kind, count, groups}        groups: what is never on both sides: speaker, sentence
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

What was not asked for (``--quick``) is not there. Status of a check: "ok", "note" or "fail".
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from classify.probing.maps import LayerMaps
    from classify.probing.similarity import Similarities

Json = dict[str, Any]


@dataclass(frozen=True)
class TargetResult:
    """One target, probed: its part of ``probe.json`` and what the figures need beyond it."""

    name: str
    rows: npt.NDArray[np.intp]  # (utterance,) rows of the cache
    ids: npt.NDArray[np.object_]  # (utterance,)
    y: npt.NDArray[np.intp]  # (utterance,) number of the class
    classes: tuple[str, ...]
    speakers: npt.NDArray[np.object_]  # (utterance,) corpus/speaker
    fold: npt.NDArray[np.intp]  # (utterance,) the fold that it is tested in
    layers: tuple[int, ...]
    predictions: npt.NDArray[np.intp]  # (layer, utterance)
    nested: npt.NDArray[np.intp] | None  # (utterance,) prediction of the nested choice
    metrics: Json


@dataclass(frozen=True)
class Probe:
    """A probe of a cache: ``metrics`` is ``probe.json``."""

    targets: dict[str, TargetResult]
    metrics: Json = field(repr=False)
    similarities: "Similarities | None" = None  # none, nor maps, of a quick probe
    maps: "LayerMaps | None" = None  # coloured by the first target
