"""Ranges of the training recordings, and warnings of recordings that lie outside of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from data.cache.columns import QUALITY

if TYPE_CHECKING:
    import pandas as pd

    from extract.quality import Quality

PERCENTILES = (1, 99)  # of the training recordings
TELEPHONE = 4100.0  # Hz, the highest bandwidth of a telephone
MEASURED = (*QUALITY, "duration")

Ranges = Mapping[str, Any]  # quantity → [low, high]; languages → names


def of_training(table: "pd.DataFrame") -> dict[str, Any] | None:
    """The ranges of training utterances: 1 % to 99 % of them, and their languages.

    Args:
        table: the utterances, with the columns of a cache.

    Returns:
        None if the cache is of a version that did not measure all of them.
    """
    if not set(MEASURED) <= set(table.columns) or table[list(MEASURED)].isna().any(axis=None):
        return None
    ranges: dict[str, Any] = {
        name: np.percentile(table[name], PERCENTILES).round(6).tolist() for name in MEASURED
    }
    languages = set(table["language"].astype(str)) if "language" in table else set()
    return ranges | {"languages": sorted(languages - {""})}


def warnings(
    ranges: Ranges, quality: "Quality", seconds: float | None, language: str = ""
) -> dict[str, str]:
    """Properties of a recording outside of the range of the training recordings: name → text.

    Small excesses are no warning: 500 Hz, 6 dB of level, 3 dB of signal-to-noise ratio, 1 % of
    clipped samples, and half of the duration.

    Args:
        ranges: see `of_training`.
        quality: of the recording.
        seconds: its duration; None: a window, whose duration was chosen.
        language: if it is known, otherwise empty.
    """
    found = {}
    bandwidth, level, snr, clipped = quality
    low, high = ranges["bandwidth_hz"]
    if not low - 500 <= bandwidth <= high + 500:
        trained = f"the model was trained on {_span(low / 1000, high / 1000, 1)} kHz"
        what, condition = f"bandwidth {bandwidth / 1000:.1f} kHz", ""
        if bandwidth <= TELEPHONE < low:
            what = f"telephone band (up to {bandwidth / 1000:.1f} kHz)"
            condition = ", and has no telephone condition"
        found["bandwidth"] = f"{what}; {trained}{condition}"
    low, high = ranges["level_db"]
    if not low - 6 <= level <= high + 6:
        found["level"] = (
            f"level of speech {level:.0f} dB; the model was trained on {low:.0f} to {high:.0f} dB"
        )
    low, high = ranges["snr_db"]
    if snr < low - 3:
        found["signal-to-noise ratio"] = (
            f"signal-to-noise ratio about {snr:.0f} dB; the model was trained on {low:.0f} to "
            f"{high:.0f} dB"
        )
    _, high = ranges["clipped_share"]
    if clipped > high + 0.01:
        found["clipping"] = (
            f"clipped: {clipped:.1%} of the samples are near the peak; in training at most "
            f"{high:.1%}"
        )
    low, high = ranges["duration"]
    if seconds is not None and not low / 1.5 <= seconds <= high * 1.5:
        trained = f"the model was trained on {_span(low, high, 1)} s"
        found["duration"] = f"{seconds:.1f} s long; {trained}"
    languages = ranges["languages"]
    if language and languages and language.casefold() not in map(str.casefold, languages):
        found["language"] = f"language {language}; the model was trained on {', '.join(languages)}"
    return found


def _span(low: float, high: float, digits: int) -> str:
    first, last = f"{low:.{digits}f}", f"{high:.{digits}f}"
    return first if first == last else f"{first}–{last}"
