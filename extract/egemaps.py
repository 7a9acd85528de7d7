"""eGeMAPS functionals by openSMILE, as a handcrafted baseline.

88 functionals of pitch, loudness, spectrum, formants and voice quality: the extended Geneva
Minimalistic Acoustic Parameter Set (Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter
Set for Voice Research and Affective Computing), version 02. openSMILE is free for private,
research and educational use; commercial use needs a licence of audEERING.
"""

import importlib.metadata
import logging
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import AudioError, UsageError
from extract.audio import SAMPLING_RATE, Waveform

FEATURE_SET, LEVEL, DIM = "eGeMAPSv02", "functionals", 88
SHORTEST = SAMPLING_RATE * 60 // 1000  # samples; of less openSMILE returns NaN
LICENCE = "openSMILE by audEERING is free for private, research and educational use alone"

log = logging.getLogger("wav2emo")


def egemaps(waveform: Waveform) -> npt.NDArray[np.float32]:
    """(88,) functionals of a (sample,) waveform at 16 kHz.

    An utterance that is shorter than 60 ms is padded with zeros, and samples outside of 16 bits
    are clipped, since openSMILE reads 16 bits and would wrap them. Calls from several threads run
    in parallel.

    Raises:
        AudioError: a functional is NaN or infinite.
        UsageError: openSMILE is not installed.
    """
    padded = np.pad(waveform, (0, max(0, SHORTEST - len(waveform))))
    found = _smile()(np.clip(padded, -1, 1 - 2**-15), SAMPLING_RATE).reshape(-1)
    if not np.isfinite(found).all():
        raise AudioError("openSMILE returns NaN or infinity for eGeMAPS")
    return found.astype(np.float32)


def parameters() -> str:
    """The description in the recipe, with the version of openSMILE.

    Raises:
        UsageError: openSMILE is not installed.
    """
    try:
        version = importlib.metadata.version("opensmile")
    except importlib.metadata.PackageNotFoundError:
        raise _missing() from None
    return f"{FEATURE_SET} {LEVEL}, {DIM}, by opensmile {version} from 16-bit samples at 16 kHz"


@cache
def _smile() -> Any:
    """The extractor; each call of it makes its own openSMILE, so threads share it."""
    try:
        import opensmile
    except ImportError:
        raise _missing() from None
    log.info("eGeMAPS: %s", LICENCE)
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[FEATURE_SET],
        feature_level=opensmile.FeatureLevel.Functionals,
    )


def _missing() -> UsageError:
    return UsageError(
        f"--baselines egemaps needs openSMILE: pip install 'wav2emo[opensmile]' ({LICENCE})"
    )
