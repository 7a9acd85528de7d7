"""Write the report of a study: figures, page, predictions and JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from classify.report import folder as folders
from classify.report.page import Page, html
from classify.report.parts import made
from classify.stats.scores import Json
from data.atomic import publish_bytes

FILES = (
    "The fingerprint names the recipe that made the embeddings; <code>run.json</code> beside this "
    "page has options, versions and places, <code>predictions.csv</code> every prediction, "
    "<code>{}</code> every number. Every figure is there as PNG and as SVG."
)


@dataclass(frozen=True)
class Report:
    """The files of one study."""

    name: str  # of a new folder, after the time
    result: str  # file name of the scores
    page: Page  # without how it was made
    metrics: Json
    predictions: Iterable[Sequence[str]]  # rows of predictions.csv, the header first
    options: Json  # with absolute paths
    seed: int
    fingerprint: str
    more: Mapping[str, Any] = field(default_factory=dict)  # of run.json


def write(report: Report, out: Path | None = None) -> Path:
    """Write all files of a study and return their folder.

    Args:
        report: of the study.
        out: exactly this folder, emptied of the study that it may hold; None: a new
            ``runs/<time>-<name>``.

    Raises:
        UsageError: see `classify.report.folder.check`.
        OSError: the disk is full or fails.
    """
    about = {"options": report.options, "seed": report.seed, "fingerprint": report.fingerprint}
    folder = folders.begin(out, report.name, {**about, **report.more})
    folders.write_table(folder / "predictions.csv", report.predictions)
    more = {name: report.metrics[name] for name in ("command",) if name in report.metrics}
    more["fingerprint"] = report.fingerprint
    more = {name: Markup("<code>{}</code>").format(text) for name, text in more.items()}
    last = made(report.metrics["options"], FILES.format(report.result), more)
    page = replace(report.page, sections=[*report.page.sections, last])
    (folder / "report.html").write_text(html(page, folder), encoding="utf-8")
    publish_bytes(folder / report.result, folders.as_json(report.metrics))
    return folder
