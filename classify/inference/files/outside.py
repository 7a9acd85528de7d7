"""Log which recordings lie outside of what a model was trained on."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from data.text import several

SHOWN = 5  # recordings that get a line of their own

log = logging.getLogger("wav2emo")


class OutsideLog:
    """One line for each of the first recordings with warnings, and a summary of many."""

    def __init__(self) -> None:
        self._recordings = self._outside = 0
        self._counts: Counter[str] = Counter()

    def add(self, name: str, windows: Sequence[Mapping[str, str]]) -> None:
        """Count a recording by the warnings of each of its windows; those of half of the windows
        are of the recording."""
        self._recordings += 1
        counts = Counter(kind for warnings in windows for kind in warnings)
        found = {
            kind: text
            for warnings in windows
            for kind, text in warnings.items()
            if counts[kind] * 2 >= len(windows)
        }
        if not found:
            return
        self._outside += 1
        self._counts.update(found.keys())
        if self._outside <= SHOWN:
            with tqdm.external_write_mode():
                log.warning("%s: %s", name, "; ".join(found.values()))

    def summarise(self) -> None:
        """Log the counts, if not every recording had a line."""
        if self._outside > SHOWN:
            counts = ", ".join(f"{kind} {count}" for kind, count in self._counts.most_common())
            log.warning(
                "%d of %s lie outside of what the model was trained on: %s (column warnings of "
                "--csv)",
                self._outside, several(self._recordings, "recording"), counts,
            )  # fmt: skip
