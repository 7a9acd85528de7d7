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
    return "–" if bounds is None else f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def scored(scores: Scores) -> str:
    """A UAR with its interval, where it has one."""
    return f"{scores.uar:.3f} {interval(scores.interval)}".removesuffix(" –")


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells in columns of equal width.

    >>> aligned([["a", "bc"], ["def", "g"]])
    ['a    bc', 'def  g']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def mark(best: Best, index: int) -> str:
    """``*`` of the best layer or head, ``=`` of those not distinguishable from it."""
    return "*" if index == best.index else "=" if index in best.equals else " "


def others(scores: Scores) -> list[str]:
    """The metrics beside the UAR, under `other_labels`."""
    return [score(value) for name, value in scores.values.items() if name != "uar"]


def other_labels() -> list[str]:
    """Headings of `others`."""
    return [metric.label for name, metric in METRICS.items() if name != "uar"]
