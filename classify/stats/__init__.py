"""Statistics of scores whose utterances are not independent: speakers are the units.

`interval` gives confidence intervals of scores, `best` the layers that are not distinguishable
from the best one. ``docs/statistics.md`` has the methods, their sources and their error rates.
"""

from classify.stats.intervals import interval
from classify.stats.tests import best

__all__ = ["best", "interval"]
