"""The files of a comparison."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from classify.compare.result import Comparison
from classify.report import compare_figures, compare_page
from classify.report import folder as run_folder
from data.atomic import publish_bytes


def write(comparison: Comparison, out: Path | None = None) -> Path:
    """Write the files of `comparison` and return their folder; see `run_folder.write`."""
    study = comparison.study
    cache = str(study.options.shared.cache.absolute())
    about = {
        "options": study.options.as_json() | {"cache": cache},
        "seed": study.options.shared.seed,
        "fingerprint": study.fingerprint,
        "seconds": comparison.seconds,
    }
    folder = run_folder.begin(out, "compare", about)
    run_folder.write_table(folder / "predictions.csv", predictions(comparison))
    figures = compare_figures.draw(comparison, folder)
    page = compare_page.html(comparison, figures, folder)
    (folder / "report.html").write_text(page, encoding="utf-8")
    publish_bytes(folder / run_folder.COMPARE, run_folder.as_json(comparison.metrics))
    return folder


def predictions(comparison: Comparison) -> Iterator[list[str]]:
    """Rows of ``predictions.csv``, the header first: a prediction of every head a row."""
    study = comparison.study
    data, names = study.selection, np.array(study.selection.classes)
    yield ["id", "speaker", "fold", "truth", *comparison.heads]
    columns = (
        data.utterances["id"],
        data.utterances["speaker"],
        study.folds.fold,
        data.truth,
        *(names[result.prediction] for result in study.results),
    )
    for values in zip(*columns, strict=True):
        yield [*map(str, values)]
