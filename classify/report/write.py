"""Write the report of a study: figures, page, predictions and JSON."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classify.options import Options
from classify.report import folder as folders
from classify.report.style import Illustration
from classify.stats.scores import Json
from data.atomic import publish_bytes

if TYPE_CHECKING:
    from classify.compare.result import Comparison
    from classify.evaluation.run import Run
    from classify.fairness.result import Fairness
    from classify.fairness.study import Study
    from classify.probing.result import Probe
    from classify.robustness.result import Robustness
    from classify.transfer.result import Transfer


@dataclass(frozen=True)
class Report:
    """The files of one study."""

    name: str  # of a new folder, after the time
    result: str  # file name of the scores
    options: Json  # with absolute paths
    seed: int
    fingerprint: str
    more: Mapping[str, Any]  # of run.json
    metrics: Json
    predictions: Iterable[Sequence[str]]  # rows of predictions.csv, the header first
    draw: Callable[[Path], list[Illustration]]  # into a folder
    html: Callable[[Sequence[Illustration], Path], str]  # of figures in a folder


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
    page = report.html(report.draw(folder), folder)
    (folder / "report.html").write_text(page, encoding="utf-8")
    publish_bytes(folder / report.result, folders.as_json(report.metrics))
    return folder


def of_run(run: "Run", attention: str | None = None, fairness: "Fairness | None" = None) -> Report:
    """The report of a cross-validation.

    Args:
        run: the cross-validation.
        attention: id of the utterance whose attention is drawn; None: of each class the correctly
            predicted utterance of the highest probability.
        fairness: of its groups.
    """
    from classify.evaluation.classes import ClassOutcome
    from classify.report import class_figures, regression_figures, run_page

    def draw(folder: Path) -> list[Illustration]:
        if isinstance(run.outcome, ClassOutcome):
            return class_figures.draw(run, run.outcome, folder, attention)
        return regression_figures.draw(run, run.outcome, folder)

    return Report(
        name=run.options.head,
        result=folders.RESULT,
        options=_with_path(run.options.as_json(), run.options),
        seed=run.options.seed,
        fingerprint=run.dataset.fingerprint,
        more={"recipe": run.dataset.recipe},
        metrics=run.metrics,
        predictions=run.predictions(),
        draw=draw,
        html=lambda figures, folder: run_page.html(run, figures, folder, fairness),
    )


def of_comparison(found: "Comparison") -> Report:
    """The report of a comparison."""
    from classify.report import compare_figures, compare_page

    options = found.options
    return Report(
        name="compare",
        result=folders.COMPARE,
        options=_with_path(options.as_json(), options.shared),
        seed=options.shared.seed,
        fingerprint=found.fingerprint,
        more={"seconds": {row.head: row.seconds for row in found.rows}},
        metrics=found.metrics,
        predictions=found.predictions(),
        draw=lambda folder: compare_figures.draw(found, folder),
        html=lambda figures, folder: compare_page.html(found, figures, folder),
    )


def of_probe(found: "Probe") -> Report:
    """The report of a probe."""
    from classify.report import probe_figures, probe_page

    options = found.options
    caches = {"cache": options.cache, "control": options.control, "against": options.against}
    places = {name: place and str(place.absolute()) for name, place in caches.items()}
    return Report(
        name="probe",
        result=folders.PROBE,
        options=options.as_json() | places,
        seed=options.seed,
        fingerprint=found.fingerprint,
        more={},
        metrics=found.metrics,
        predictions=found.predictions(),
        draw=lambda folder: probe_figures.draw(found, folder),
        html=lambda figures, folder: probe_page.html(found, figures, folder),
    )


def of_transfer(found: "Transfer") -> Report:
    """The report of a transfer study."""
    from classify.report import transfer_figures, transfer_page

    options = found.options
    caches = [str(path.absolute()) for path in options.caches]
    return Report(
        name="transfer",
        result=folders.TRANSFER,
        options=options.as_json() | {"caches": caches},
        seed=options.seed,
        fingerprint=found.first.fingerprint,
        more={},
        metrics=found.metrics,
        predictions=found.predictions(),
        draw=lambda folder: transfer_figures.draw(found, folder),
        html=lambda figures, folder: transfer_page.html(found, figures, folder),
    )


def of_robustness(found: "Robustness") -> Report:
    """The report of a robustness study."""
    from classify.report import robustness_figures, robustness_page

    options = found.options
    return Report(
        name="robustness",
        result=folders.ROBUSTNESS,
        options=options.as_json() | {"cache": str(options.cache.absolute())},
        seed=options.seed,
        fingerprint=found.fingerprint,
        more={},
        metrics=found.metrics,
        predictions=found.predictions(),
        draw=lambda folder: robustness_figures.draw(found, folder),
        html=lambda figures, folder: robustness_page.html(found, figures, folder),
    )


def of_fairness(found: "Study") -> Report:
    """The report of a fairness study."""
    from classify.report import fairness_figures, fairness_page

    options, run = found.options, found.run
    return Report(
        name="fairness",
        result=folders.FAIRNESS,
        options=_with_path(options.as_json(), options.shared),
        seed=options.shared.seed,
        fingerprint=run.dataset.fingerprint,
        more={"recipe": run.dataset.recipe},
        metrics=found.metrics,
        predictions=run.predictions(),
        draw=lambda folder: fairness_figures.draw(found, folder),
        html=lambda figures, folder: fairness_page.html(found, figures, folder),
    )


def _with_path(given: Json, options: Options) -> Json:
    return given | {"cache": str(options.cache.absolute())}
