"""The description of a result, rendered as a page and as text for the terminal.

Texts are escaped, apart from what is a `markupsafe.Markup`. The page needs no network and no other
file.
"""

import base64
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from classify.report.style import Illustration, write
from data.text import Lines, aligned, lines

FIRST = 11  # characters of the column of names on the terminal, at least
LINE = 100  # characters of a line of text on the terminal
NUMBER = re.compile(r"([+−-]?[\d.,]+%?|–|)")

Row = tuple[str, str]  # name, value


class Fact(NamedTuple):
    """A score that is shown large."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; a table without a head has names and their values."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    words: bool = False  # cells are text: at the left, and wrapped


@dataclass(frozen=True)
class Section:
    """A heading with a figure, a table, paragraphs.

    Attributes:
        title: heading.
        table: below the heading.
        note: legend of the table.
        text: explains the table at more length.
        figure: drawn when the page is written.
        level: 3 for a part of the section before it.
        printed: whether table and note are also printed on the terminal.
    """

    title: str
    table: Table | None = None
    note: str = ""
    text: str = ""
    figure: Illustration | None = None
    level: int = 2
    printed: bool = False


def illustrated(
    name: str, title: str, caption: str, make: Callable[[], Figure], level: int = 2
) -> Section:
    """A section of a figure; `name`: of its files, one of `classify.report.folder.FIGURES`."""
    return Section(title, figure=Illustration(name, title, caption, make), level=level)


@dataclass(frozen=True)
class Page:
    """The description of a result.

    Attributes:
        title: head, encoder.
        about: (name, value) of what was scored, and how.
        sections: in the order of the page.
        facts: the most important scores.
        warnings: what limits the scores; on the page alone.
    """

    title: str
    about: Sequence[Row]
    sections: Sequence[Section]
    facts: Sequence[Fact] = ()
    warnings: Sequence[str] = ()


def html(page: Page, folder: Path) -> str:
    """The page as HTML with its figures inside of it, which are also written to `folder` as PNG and
    SVG."""
    figures = [section.figure for section in page.sections if section.figure]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["anchor"] = anchor
    environment.filters["picture"] = lambda figure: _inline(folder / f"{figure.name}.svg")
    drawn = {figure.name: figure for figure in write(figures, folder, page.title)}
    return environment.get_template("page.html.j2").render(page=page, figures=drawn)


def anchor(title: str) -> str:
    """Name of a section in links.

    >>> anchor("F1 of each class")
    'f1-of-each-class'
    """
    return re.sub(r"\W+", "-", title.lower())


def text(page: Page) -> Lines:
    """The text for the terminal: what was scored, facts, the tables that are to be printed."""
    facts = [
        (fact.name, "   ".join(filter(None, [f"{fact.value} {fact.interval}".rstrip(), fact.note])))
        for fact in page.facts
    ]
    width = max(FIRST, *(len(name) for name, _ in [*page.about, *facts]))
    blocks = [
        [f"{name:{width}}  {value}".rstrip() for name, value in rows]
        for rows in (page.about, facts)
    ]
    for section in page.sections:
        if section.printed:
            table = in_lines(section.table) if section.table else []
            blocks.append([*table, *textwrap.wrap(section.note, LINE)])
    return lines([line for block in blocks if block for line in ("", *block)][1:])


def in_lines(table: Table) -> list[str]:
    """The rows of a table, with columns of numbers aligned at the right.

    >>> in_lines(Table(["head", "UAR"], [("ridge", "0.5"), ("svm", "0.25")]))
    ['head    UAR', 'ridge   0.5', 'svm    0.25']
    """
    rows = [[_plain(cell) for cell in row] for row in table.rows]
    columns = []
    for name, *cells in zip(table.head or [""] * len(rows[0]), *rows, strict=True):
        width = max(map(len, (name, *cells)))
        right = all(map(NUMBER.fullmatch, cells))
        columns.append([cell.rjust(width) if right else cell for cell in (name, *cells)])
    found = aligned(list(zip(*columns, strict=True)))
    return found if table.head else found[1:]


def _plain(cell: object) -> str:
    return cell.striptags() if isinstance(cell, Markup) else str(cell)


def _inline(file: Path) -> str:
    """An SVG as a ``data:`` address."""
    return "data:image/svg+xml;base64," + base64.b64encode(file.read_bytes()).decode()
