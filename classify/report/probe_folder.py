"""The files of a probe."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from classify.probing.options import ProbeOptions
from classify.probing.result import Probe
from classify.report import folder as run_folder
from classify.report import probe_figures, probe_page
from data.atomic import publish_bytes


def write(probe: Probe, options: ProbeOptions, out: Path | None = None) -> Path:
    """Write the files of `probe` and return their folder; see `run_folder.write`."""
    places = {
        name: place and str(place.absolute())
        for name, place in (
            ("cache", options.cache),
            ("control", options.control),
            ("against", options.against),
        )
    }
    about = {
        "options": options.as_json() | places,
        "seed": options.seed,
        "fingerprint": probe.fingerprint,
    }
    folder = run_folder.begin(out, "probe", about)
    run_folder.write_table(folder / "predictions.csv", predictions(probe))
    figures = probe_figures.draw(probe, folder)
    page = probe_page.html(probe, figures, folder)
    (folder / "report.html").write_text(page, encoding="utf-8")
    publish_bytes(folder / run_folder.PROBE, run_folder.as_json(probe.metrics))
    return folder


def predictions(probe: Probe) -> Iterator[list[str]]:
    """Rows of ``predictions.csv``, the header first: a prediction of every layer a row."""
    layers = (f"layer_{number}" for number in probe.first.numbers)
    yield ["target", "id", "speaker", "fold", "truth", "nested", *layers]
    for target in probe.targets.values():
        chosen, names = target.task.selection, np.array(target.task.classes)
        nested = target.nested_predictions
        columns = (
            chosen.utterances["id"],
            chosen.speakers,
            target.task.fold,
            names[chosen.y],
            np.full(len(chosen.y), "") if nested is None else names[nested],
            *names[target.predictions],
        )
        for values in zip(*columns, strict=True):
            yield [target.name, *map(str, values)]
