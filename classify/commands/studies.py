"""What commands that make a report share: ``--out`` and ``--json``, and the end of the command."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data.console import show, show_json
from data.text import Lines

if TYPE_CHECKING:
    from classify.report.write import Report


def add_output(parser: argparse.ArgumentParser, name: str, printed: str = "table") -> None:
    """Add ``--out`` and ``--json`` to the command `name`, which prints a table or a matrix."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder of the run; an older run in it is overwritten (default: runs/<time>-{name})",
    )
    parser.add_argument("--json", action="store_true", help=f"print {name}.json, not the {printed}")


def finish(report: "Report", arguments: argparse.Namespace, text: Callable[[], Lines]) -> None:
    """Write the report, and print `text`, or the numbers for ``--json``."""
    from classify.report.write import write

    folder = write(report, arguments.out)
    if arguments.json:
        show_json(report.metrics, indent=2)
    else:
        show(text())
        show("", f"report  {folder / 'report.html'}")
