"""How the layers lie to each other, and the utterances in one of them."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.maps import Map, draw_maps
from classify.probe.options import ProbeOptions
from classify.probe.result import Json, TargetResult
from classify.probe.source import Source
from classify.similarity import Similarity, compare
from data.cache import Cache


@dataclass(frozen=True)
class Geometry:
    """Similarities of layers, and maps of one of them coloured by one target and by speaker."""

    layers: Similarity
    against: Similarity | None
    layer: int  # of the maps
    maps: list[Map]  # their rows are those of the target's `TargetResult`

    def as_json(self) -> Json:
        """The similarities, as they stand in ``probe.json``."""
        return {
            "layers": self.layers.as_json(),
            "against": self.against.as_json() if self.against else None,
        }


def geometry(options: ProbeOptions, target: TargetResult, rows: npt.NDArray[np.intp]) -> Geometry:
    """Compare the layers of the probed cache, and with those of ``--against``; map one.

    Args:
        options: caches and poolings.
        target: what the maps are coloured by; the layer is the one chosen for it.
        rows: of the cache, the utterances that were probed.

    Raises:
        UsageError: the other cache has other utterances, or other poolings.
    """
    with Cache(options.cache) as cache:
        against = None
        if options.against:
            with Cache(options.against) as other:
                against = compare(cache, other, rows, options.poolings)
        layer = chosen_layer(target)
        features = dict(Source(cache, options.poolings or cache.poolings, target.rows))[layer]
        return Geometry(
            layers=compare(cache, None, rows, options.poolings),
            against=against,
            layer=layer,
            maps=draw_maps(features, target.y, target.speakers, options.seed),
        )


def chosen_layer(target: TargetResult) -> int:
    """The layer that most folds chose by their training part; the lowest of several. Where nothing
    was chosen so, the one best on test."""
    selection = target.metrics.get("selection")
    if selection is None:
        return int(target.metrics["best"]["layer"])
    votes = Counter(fold["layer"] for fold in selection["folds"])
    return min(votes, key=lambda layer: (-votes[layer], layer))
