"""Predictions on standard output, as a table, CSV, JSON or JSON lines.

To add a format, write a function and add it to `FORMATS`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from classify.inference.timeline import SILENCE, Segment, clock
from data.console import show, show_csv, show_json
from data.errors import UsageError
from data.options import names_in

if TYPE_CHECKING:
    from classify.inference.predictor import Answer


def print_csv(answers: Iterable["Answer"], columns: Sequence[str], parts: bool) -> None:
    """Print ``file`` and the `columns` of the answers, a line for each prediction.

    With `parts` of recordings, ``start`` and ``end`` follow ``file``.
    """
    header = [*(("file", "start", "end") if parts else ("file",)), *columns]
    rows = ({**answer.place, **answer.cells} for answer in answers)
    show_csv(chain([header], ([row.get(name, "") for name in header] for row in rows)))


def print_json(answers: Iterable["Answer"], columns: Sequence[str], parts: bool) -> None:
    """Print a JSON list of all predictions."""
    show_json(list(map(as_object, answers)), indent=2)


def print_json_lines(answers: Iterable["Answer"], columns: Sequence[str], parts: bool) -> None:
    """Print one JSON object a line, each as soon as it is predicted."""
    for answer in answers:
        show_json(as_object(answer))


def as_object(answer: "Answer") -> dict[str, Any]:
    """Convert a prediction to JSON."""
    return {**answer.place, **answer.result, **answer.outside}


def print_table(answers: Iterable["Answer"], columns: Sequence[str], parts: bool) -> None:
    """Print the two most probable classes, or all numbers, and the recording."""
    width = max(len(name) for name in columns if name not in ("emotion", *OUTSIDE)) + 2
    for answer in answers:
        ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:2]
        shown = answer.numbers.items() or ranked
        cells = "".join(f"{name:{width}}{share:4.2f}   " for name, share in shown)
        file, *seconds = map(str, answer.place.values())
        outside = f"   ({', '.join(answer.warnings)})" if answer.warnings else ""
        show(cells + " ".join([file, "–".join(seconds)]).rstrip() + outside)


OUTSIDE = ("out_of_domain", "warnings")  # columns of models that know what they were trained on

# (predictions, columns, whether they are of parts of recordings)
Format = Callable[[Iterable["Answer"], Sequence[str], bool], None]
FORMATS: dict[str, Format] = {
    "table": print_table,
    "csv": print_csv,
    "json": print_json,
    "jsonl": print_json_lines,
}


def format_of(name: str) -> Format:
    """Find a format by its name.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in FORMATS:
        raise UsageError(f"--format {name}: expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def print_answers(
    form: str, answers: Iterable["Answer"], card: Mapping[str, Any], parts: bool
) -> None:
    """Print predictions in the format `form`; `card` is the content of the model's
    ``model.json``."""
    columns = ["emotion", *card["classes"]] if card["classes"] else [*names_in(card["target"])]
    if card.get("domain") or card.get("ranges"):
        columns += [name for name in OUTSIDE if name not in columns]
    format_of(form)(answers, columns, parts)


def print_segments(segments: Iterable[Segment], file: str, names: Sequence[str]) -> None:
    """Print the segments of one recording, one per line."""
    width = max(map(len, [*names, SILENCE])) + 2
    for segment in segments:
        share = "   –" if math.isnan(segment.probability) else f"{segment.probability:4.2f}"
        time = f"{clock(segment.start)}–{clock(segment.end)}"
        show(f"{segment.emotion:{width}}{share}   {file} {time}")
