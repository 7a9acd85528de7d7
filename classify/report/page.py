"""One page for every study: title, facts, sections; it needs no network and no other file.

A study gives a `Page` to `render`. Texts are escaped, apart from what is a `markupsafe.Markup`.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from classify.formats import score
from classify.report.style import Illustration
from classify.stats.scores import ClassScores

UNTRAINED = (
    "The encoder is an untrained control: its weights are random. These scores show what "
    "architecture and head find without any pretraining; they are the floor for a pretrained "
    "encoder, not a result of one."
)
UNKNOWN_SPEAKERS = (
    "The speakers are unknown, so the same voice may be in training and test. These scores say "
    "nothing about new speakers, and the intervals take utterances for independent."
)
TRANSDUCTIVE = (
    "Features are normalised by each speaker's own statistics, those of tested speakers included "
    "(transductive). The scores do not hold for a speaker of whom there is no other recording."
)


Fact = tuple[str, str, str]  # name, value, note


@dataclass(frozen=True)
class Table:
    """Rows of cells; a table without a head has names and their values."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    words: bool = False  # cells are text: at the left, and wrapped


@dataclass(frozen=True)
class Section:
    """A heading with a figure, a table, a paragraph."""

    title: str
    figure: Illustration | None = None
    table: Table | None = None
    text: str = ""
    level: int = 2  # 3: part of the section before it


@dataclass(frozen=True)
class Page:
    """The content of a page.

    Attributes:
        title: head, encoder.
        lead: utterances, corpora, classes, folds; below the title.
        warnings: what limits the scores.
        facts: (name, value, note) of the scores that are shown large.
        sections: in the order of the page.
    """

    title: str
    lead: str
    warnings: Sequence[str]
    sections: Sequence[Section]
    facts: Sequence[Fact] = ()


def render(page: Page, folder: Path) -> str:
    """The page as HTML, with the figures that lie in `folder` inside of it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["anchor"] = anchor
    environment.filters["picture"] = lambda figure: _inline(folder / f"{figure.name}.svg")
    return environment.get_template("page.html.j2").render(page=page)


def anchor(title: str) -> str:
    """Name of a section in links.

    >>> anchor("F1 of each class")
    'f1-of-each-class'
    """
    return re.sub(r"\W+", "-", title.lower())


def illustrated(figures: Iterable[Illustration]) -> list[Section]:
    """A section for each figure."""
    return [Section(figure.title, figure) for figure in figures]


def made(
    options: Mapping[str, object], fingerprint: str, more: Mapping[str, object], files: str
) -> Section:
    """How a result was made.

    Args:
        options: of the study.
        fingerprint: of the cache.
        more: name → value, before the options.
        files: sentences about the files beside the page.
    """
    rows = [(name, plain(value)) for name, value in {**more, **options}.items()]
    rows.append(("fingerprint", Markup("<code>{}</code>").format(fingerprint)))
    text = Markup(
        "The fingerprint names the recipe that made the embeddings; <code>run.json</code> beside "
        "this page has options, versions and places. " + files
    )
    return Section("How this was made", table=Table((), rows, words=True), text=text)


def per_class(rows: Mapping[str, ClassScores]) -> Table:
    """Scores of each class."""
    return Table(
        ["class", "precision", "recall", "F1", "utterances"],
        [
            (name, score(row.precision), score(row.recall), score(row.f1), row.support)
            for name, row in rows.items()
        ],
    )


def plain(value: object) -> object:
    """Format the value of an option."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items()) or "default"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "all"
    return "default" if value is None else value if isinstance(value, str) else json.dumps(value)


def _inline(file: Path) -> str:
    """An SVG as a ``data:`` address."""
    return "data:image/svg+xml;base64," + base64.b64encode(file.read_bytes()).decode()
