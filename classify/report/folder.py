"""The folder of a run.

``run.json`` is written first and marks the folder as a run's. The scores are written last and mark
it as complete: ``metrics.json``, ``probe.json``, ``compare.json``, ``transfer.json``,
``robustness.json`` or ``fairness.json``.
"""

import json
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data import spreadsheet
from data.atomic import publish_bytes
from data.errors import UsageError

FORMAT = "wav2emo run"
MARK, RESULT, PROBE = "run.json", "metrics.json", "probe.json"
COMPARE, TRANSFER = "compare.json", "transfer.json"
ROBUSTNESS, FAIRNESS = "robustness.json", "fairness.json"
RESULTS = RESULT, PROBE, COMPARE, TRANSFER, ROBUSTNESS, FAIRNESS
FIGURES = (  # of every kind of run; the files are <name>.png and <name>.svg
    "confusion", "f1", "curves", "layers", "attention", "predictions", "plane", "scores", "ranks",
    "targets", "selection", "description_length", "recall", "speakers", "similarity", "against",
    "maps", "matrix", "transfer_layers", "alignment", "groups", "group_recall", "levels",
    "conditions", "condition_layers", "layer_means",
)  # fmt: skip
LIBRARIES = ("wav2emo", "numpy", "scikit-learn", "torch", "h5py", "pandas")


def check(out: Path | None) -> None:
    """Require that `out` is new, empty, or the folder of another run.

    Raises:
        UsageError: it is a file, or a folder with other files.
    """
    if out is None or not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"--out {out}: a file is there; name a folder")
    if any(out.iterdir()) and not _is_run(out):
        raise UsageError(
            f"--out {out}: something other than a run is in there; name a new or empty folder"
        )


def begin(out: Path | None, name: str, about: Mapping[str, Any]) -> Path:
    """Make or empty a run's folder, mark it, and return it.

    Args:
        out: exactly this folder; None: a new ``runs/<time>-<name>``.
        name: of the folder, where there is to be a new one.
        about: what was run; time, versions and git revision are added.

    Raises:
        UsageError: see `check`.
    """
    check(out)
    folder = _new_folder(name) if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (*RESULTS, "predictions.csv", "report.html"):
        (folder / stale).unlink(missing_ok=True)
    for figure in FIGURES:
        for kind in (".png", ".svg"):
            (folder / f"{figure}{kind}").unlink(missing_ok=True)
    publish_bytes(folder / MARK, as_json(_circumstances(about)))
    return folder


def write_table(file: Path, rows: Iterable[Sequence[str]]) -> None:
    """A CSV file; see `data.spreadsheet`."""
    with open(file, "w", newline="", encoding="utf-8") as opened:
        spreadsheet.write(opened, rows)


def as_json(value: object) -> bytes:
    """Indented JSON, a line at the end."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _new_folder(name: str) -> Path:
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    candidates = (Path("runs", f"{name}-{n}" if n else name) for n in range(1000))
    return next(folder for folder in candidates if not folder.exists())


def _is_run(folder: Path) -> bool:
    try:
        return json.loads((folder / MARK).read_bytes())["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _circumstances(about: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``run.json``: command, time and versions."""
    return {
        "format": FORMAT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **about,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "git": _git_revision(),
    }


def _git_revision() -> str | None:
    """Commit of the source, with ``-dirty`` where files differ from it; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
