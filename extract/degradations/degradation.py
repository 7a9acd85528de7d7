"""A degradation: a function of a waveform and a level."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.condition import Noise

Waveform = npt.NDArray[np.float32]  # (sample,) at 16 kHz


@dataclass(frozen=True)
class Given:
    """The arguments of a degradation, beside the waveform."""

    random: np.random.Generator  # an utterance has the same numbers at each level
    level: float = np.nan  # in the unit of the degradation; NaN: it has none
    kind: str = ""  # such as babble; "": there is only one
    noises: tuple[Noise, ...] = field(default=())  # recordings that may be added


# from a (sample,) waveform to the degraded one, and its measured level; None: it has none
Apply = Callable[[Waveform, Given], tuple[Waveform, float | None]]


@dataclass(frozen=True)
class Degradation:
    """An entry of `extract.degradations.registry`.

    Attributes:
        apply: the function.
        what: one line for ``--list-conditions``.
        unit: of the level, as in ``noise:SNR``; "": there is no level.
        lowest, highest: limits of the level.
        levels: the only possible levels; empty: all within the limits.
        whole: whether the level is a whole number, and not 0.
        kinds: names that may follow the level, the default first.
        codec: format and subtype of libsndfile that it needs.
        version: a change of any degraded sample needs a new one.
    """

    apply: Apply
    what: str
    unit: str = ""
    lowest: float = -np.inf
    highest: float = np.inf
    levels: tuple[float, ...] = ()
    whole: bool = False
    kinds: tuple[str, ...] = ()
    codec: tuple[str, str] | None = None
    version: int = 1
