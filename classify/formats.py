"""Format scores for the terminal and for pages."""

from collections.abc import Mapping, Sequence

from classify.stats.metrics import METRICS
from classify.stats.scores import Scores
from classify.stats.tests import Best


def counted(corpora: Mapping[str, int]) -> str:
    """Corpora with their numbers of utterances.

    >>> counted({"emodb": 535, "ravdess": 1440})
    'emodb 535, ravdess 1440'
    """
    return ", ".join(f"{name} {count}" for name, count in corpora.items())


def score(value: float | None) -> str:
    """Format a score with three digits, or as a dash if it is not defined.

    >>> score(0.5), score(None)
    ('0.500', '–')
    """
    return "–" if value is None else f"{value:.3f}"


def signed(value: float) -> str:
    """Three digits after a sign."""
    return f"{value:+.3f}".replace("-", "−")


def shortly(value: float | None) -> str:
    """A measured quantity in few digits; "" if there is none.

    >>> shortly(19.98), shortly(0.304), shortly(7000.0), shortly(-0.001), shortly(None)
    ('20', '0.3', '7000', '0', '')
    """
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    return f"{round(value, digits) + 0.0:.6g}".replace("-", "−")


def interval(bounds: Sequence[float] | None) -> str:
    """Two bounds in brackets, or a dash where there is no interval."""
    if bounds is None:
        return "–"
    return f"[{bounds[0]:.3f}, {bounds[1]:.3f}]".replace("-", "−")


def bounded(value: float | None, bounds: Sequence[float] | None) -> str:
    """A score with its interval, where it has one.

    >>> bounded(0.5, [0.25, 0.75]), bounded(0.5, None)
    ('0.500 [0.250, 0.750]', '0.500')
    """
    return score(value) + (f" {interval(bounds)}" if bounds else "")


def scored(scores: Scores) -> str:
    """A UAR with its interval, where it has one."""
    return bounded(scores.uar, scores.interval)


def brief(scores: Scores) -> str:
    """The same with two digits of the interval."""
    bounds = scores.interval
    return score(scores.uar) + (" [{:.2f},{:.2f}]".format(*bounds) if bounds else "")


def mark(best: Best, index: int) -> str:
    """``*`` of the best layer or head, ``=`` of those not distinguishable from it."""
    return "*" if index == best.index else "=" if index in best.equals else ""


def others(scores: Scores) -> list[str]:
    """The metrics beside the UAR, under `other_labels`."""
    return [score(value) for name, value in scores.values.items() if name != "uar"]


def other_labels() -> list[str]:
    """Headings of `others`."""
    return [metric.label for name, metric in METRICS.items() if name != "uar"]


def spans(numbers: Sequence[int]) -> str:
    """Numbers with neighbours joined.

    >>> spans([0, 1, 2, 4, 6, 7])
    '0–2, 4, 6–7'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"{p[0]}–{p[-1]}" if len(p) > 1 else f"{p[0]}" for p in found)
