"""Degrade recordings: noise, rooms, telephones, codecs, and small changes.

The same utterance in the same condition gives the same samples on every machine, up to rounding.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.condition import Condition
from data.errors import UsageError
from data.utterance import Utterance

VERSION = 1  # of all degradations; a change of any sample needs a new one

Waveform = npt.NDArray[np.float32]


def conditions(
    specs: Sequence[str], utterances: Sequence[Utterance], noise: Path | None = None
) -> list[list[Condition]]:
    """The condition of each spec for each utterance; utterances of a corpus share an object.

    Raises:
        UsageError: a spec is unknown, or its level is impossible.
    """
    made = []
    for name in specs:
        if not name.startswith("gain:"):
            raise UsageError(f"--degrade {name}: expected gain:DB")
        digest = hashlib.sha256(json.dumps([VERSION, name]).encode()).hexdigest()[:16]
        made.append([Condition(name, digest)] * len(utterances))
    return made


def degrade(waveform: Waveform, utterance: Utterance) -> tuple[Waveform, float | None]:
    """Degrade a (sample,) waveform at 16 kHz by the condition of its utterance.

    Returns:
        The degraded (sample,) waveform, and the level that was achieved, in the unit of the
        condition; None: it has no level.

    Raises:
        AudioError: the recording cannot be degraded so.
    """
    assert utterance.condition is not None
    level = float(utterance.condition.name.removeprefix("gain:"))
    return waveform * np.float32(10 ** (level / 20)), level
