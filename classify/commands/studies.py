"""Options and the last step of commands that make a report: ``--out``, ``--json``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.console import show, show_json
from data.text import aligned

if TYPE_CHECKING:
    from classify.report.write import Report


def add_output(
    parser: argparse.ArgumentParser, name: str, printed: str = "table", result: str = ""
) -> None:
    """Add ``--out`` and ``--json``.

    Args:
        parser: of the command.
        name: end of the name of a new folder.
        printed: what the command prints.
        result: name of the file of the scores; by default that of the folder.
    """
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder of the run; an older run in it is overwritten (default: runs/<time>-{name})",
    )
    parser.add_argument(
        "--json", action="store_true", help=f"print {result or name}.json, not the {printed}"
    )


def finish(
    report: "Report", arguments: argparse.Namespace, figures: Sequence[tuple[str, str]] = ()
) -> None:
    """Write the report, and print its tables and where files are, or the numbers for ``--json``.

    Args:
        report: to be written.
        arguments: of a parser with `add_output`.
        figures: names, and files in the folder, that are printed beside the report.
    """
    from classify.report.page import text
    from classify.report.write import write

    folder = write(report, arguments.out)
    if arguments.json:
        show_json(report.metrics, indent=2)
        return
    files = [(name, str(folder / file)) for name, file in [*figures, ("report", "report.html")]]
    show(text(report.page), "", *aligned(files))
