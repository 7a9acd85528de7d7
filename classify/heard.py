"""Refuse to test on what the encoder was trained on."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.cache.columns import HEARD
from data.cache.recipe import Recipe
from data.errors import UsageError
from data.text import several

MANY = 4  # speakers that a message names


def heard(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(utterance,) whether the encoder was trained on the recording, or on its speaker. The column
    is "" for recordings that are new to the encoder; a cache has it if its encoder's are known."""
    if HEARD not in table:
        return np.zeros(len(table), bool)
    return (table[HEARD].fillna("") != "").to_numpy(bool)


ADVICE = (
    "Test it on other speakers, or use --allow-heard to mark all results (train: --fit-only "
    "fits without scores)"
)


def require_unheard(table: pd.DataFrame, allowed: bool, advice: str = ADVICE) -> None:
    """Require that the encoder was trained on none of the utterances, which are to be tested.

    Args:
        table: the utterances.
        allowed: whether nothing is required.
        advice: end of the message.

    Raises:
        UsageError: it was, and this is not allowed.
    """
    found = table[heard(table)]
    if allowed or not len(found):
        return
    roles = Counter(found[HEARD])
    words = {"fitted": "fitted to", "stopped by": "stopped by", "similar": "trained on copies of",
             "speaker": "trained on the speakers of"}  # fmt: skip
    counts = ", ".join(f"{words.get(role, role)} {count}" for role, count in sorted(roles.items()))
    speakers = sorted({f"{one.corpus}/{one.speaker}" for one in found.itertuples() if one.speaker})
    more = f" and {len(speakers) - MANY} more" if len(speakers) > MANY else ""
    named = f", of the speakers {', '.join(speakers[:MANY])}{more}" if speakers else ""
    raise UsageError(
        f"the encoder has heard {len(found)} of {several(len(table), 'tested utterance')}: it was "
        f"{counts}{named}. {advice}"
    )


def marked(recipe: Recipe, table: pd.DataFrame) -> Recipe:
    """A recipe for the description of results, which says how many tested utterances the encoder
    has heard."""
    count = int(heard(table).sum())
    return {**recipe, HEARD: f"{count} of {len(table)}"} if count else recipe
