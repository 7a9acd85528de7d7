"""Latencies of predictions, in bounded memory."""

import numpy as np

RESOLUTION = 0.001  # seconds
LONGEST = 10.0  # seconds that are counted by the millisecond; the largest is kept exactly


class Latencies:
    """A histogram of latencies in steps of a millisecond."""

    def __init__(self) -> None:
        self.largest = 0.0  # seconds
        self._counts = np.zeros(round(LONGEST / RESOLUTION) + 1, np.int64)

    def add(self, seconds: float) -> None:
        """Count one answer."""
        self.largest = max(self.largest, seconds)
        self._counts[min(round(seconds / RESOLUTION), len(self._counts) - 1)] += 1

    def __len__(self) -> int:
        return int(self._counts.sum())

    def quantile(self, share: float) -> float:
        """The quantile `share` of the latencies, to a millisecond."""
        if not len(self):
            return 0.0
        rank = max(int(np.ceil(share * len(self))), 1)
        place = int(np.searchsorted(self._counts.cumsum(), rank))
        return self.largest if place == len(self._counts) - 1 else place * RESOLUTION
