"""A fairness study as tables for the terminal."""

import textwrap

from classify.fairness.study import Study
from classify.formats import aligned
from classify.report.fairness_section import heading, rows, verdict
from classify.report.run_text import about
from data import console

WIDTH = 100  # of a sentence


def render(found: Study) -> console.Lines:
    """The groups of each column, and what they show."""
    fairness = found.fairness
    lines = [f"{name:11}  {value}" for name, value in about(found.run)]
    lines.append(f"{fairness.label:11}  {fairness.value:.3f} of all utterances")
    for column in fairness.columns:
        lines += ["", *aligned([heading(fairness, column), *rows(column)])]
        lines += textwrap.wrap(verdict(column, fairness), WIDTH)
    for name, reason in fairness.left_out.items():
        lines += ["", f"{name}: {reason}"]
    return console.lines(lines)
