"""Features without a model of speech: one vector per utterance, from 16 kHz mono samples before
normalisation.

To add one, write a function and its description, and add its name to `extract.recipe.BASELINES`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from extract import egemaps, logmel
from extract.audio import Waveform

FEATURES: dict[str, Callable[[Waveform], npt.NDArray[np.float32]]] = {
    "logmel": lambda waveform: logmel.pooled(logmel.logmel(waveform)),
    "energy": lambda waveform: logmel.pooled(logmel.energy(waveform)),
    "egemaps": egemaps.egemaps,
}


def baselines(waveform: Waveform, names: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Features of a (sample,) waveform: name → (dim,).

    Raises:
        AudioError: they cannot be computed.
    """
    return {name: FEATURES[name](waveform) for name in names}


def parameters(names: Sequence[str]) -> dict[str, str]:
    """Descriptions in the recipe.

    Raises:
        UsageError: the library of a feature is not installed.
    """
    return {
        name: egemaps.parameters() if name == "egemaps" else logmel.PARAMETERS[name]
        for name in names
    }
