"""CSV whose cells a spreadsheet does not evaluate as formulas.

A spreadsheet evaluates a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break,
and names of files, speakers and classes come from outside. Such a cell is written with an
apostrophe before it (OWASP, CSV Injection). Numbers are not changed. `restored` is the inverse.
"""

import re
from collections.abc import Iterable
from typing import Any, TextIO

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_WRITTEN = re.compile(r"'+[=+\-@\t\r\n]")
_SPECIAL = re.compile(r'[,"\r\n]')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]inf", re.ASCII)


def neutral(cell: object) -> object:
    """Put an apostrophe before text that begins like a formula.

    If apostrophes precede a formula already, one more is added, so that `restored` is exact.

    >>> neutral("=1+2"), neutral("'=1+2"), neutral("-0.5"), neutral("'s-Gravenhage")
    ("'=1+2", "''=1+2", '-0.5', "'s-Gravenhage")
    """
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def restored(text: str) -> str:
    """Remove the apostrophe that `neutral` has added.

    >>> restored("'=1+2"), restored("''=1+2"), restored("-0.5"), restored("'s-Gravenhage")
    ('=1+2', "'=1+2", '-0.5', "'s-Gravenhage")
    """
    return text[1:] if _WRITTEN.match(text) else text


def write(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows of cells as CSV (RFC 4180, but lines end in a line feed); None is empty."""
    for row in rows:
        file.write(",".join(map(_quoted, row)) + "\n")


def _quoted(cell: object) -> str:
    text = "" if cell is None else str(neutral(cell))
    if _SPECIAL.search(text):  # the csv module does not quote a carriage return
        return '"' + text.replace('"', '""') + '"'
    return text
