"""The files of a regression."""

from pathlib import Path

from classify import run_folder
from classify.regression.run import RegressionRun
from classify.report import regression_figures, regression_page
from data.atomic import publish_bytes


def write(run: RegressionRun, out: Path | None = None) -> Path:
    """Write the files of `run` and return their folder; see `run_folder.write`."""
    about = run_folder.about(run.options, run.dataset)
    folder = run_folder.begin(out, run.options.head, about)
    run_folder.write_table(folder / "predictions.csv", run.predictions())
    figures = regression_figures.draw(run, folder)
    page = regression_page.html(run, figures, folder)
    (folder / "report.html").write_text(page, encoding="utf-8")
    publish_bytes(folder / run_folder.RESULT, run_folder.as_json(run.metrics))
    return folder
