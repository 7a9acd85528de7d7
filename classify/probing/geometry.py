"""Similarity of layers, and maps of the utterances in one layer."""

import numpy as np
import numpy.typing as npt

from classify.features import Features
from classify.probing.maps import LayerMaps, draw_maps
from classify.probing.options import ProbeOptions
from classify.probing.result import TargetResult
from classify.probing.similarity import Similarities, compare
from data.cache import Cache


def similarities(cache: Cache, options: ProbeOptions, rows: npt.NDArray[np.intp]) -> Similarities:
    """Compare the layers of `cache`, on its `rows`.

    Raises:
        UsageError: the cache of ``--against`` has other utterances, or other poolings.
    """
    against = None
    if options.against:
        with Cache(options.against) as other:
            against = compare(cache, other, rows, options.poolings)
    return Similarities(compare(cache, None, rows, options.poolings), against)


def layer_maps(cache: Cache, options: ProbeOptions, target: TargetResult) -> LayerMaps:
    """Make maps of the layer that was chosen for `target`."""
    layer = chosen_layer(target)
    features = Features(layer, (layer,), options.poolings or cache.poolings)
    chosen = target.task.selection
    X = features.of_cache(cache, chosen.rows)
    return LayerMaps(layer, draw_maps(X, chosen.y, chosen.speakers, options.seed))


def chosen_layer(target: TargetResult) -> int:
    """The layer that most folds chose by their training part, the lowest of several."""
    votes = target.nested.votes if target.nested else {}
    return min(votes, key=lambda layer: (-votes[layer], layer))
