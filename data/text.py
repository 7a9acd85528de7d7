"""Text for messages and terminals: escape control characters, write counts in words."""

import re
from collections.abc import Iterable, Sequence

# C0 and C1 controls, DEL, line and paragraph separators, marks that reverse or embed directions
# (Unicode Standard Annex 9), and halves of surrogate pairs.
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Lines(str):
    """Text with line breaks whose other control characters are escaped."""

    __slots__ = ()


def lines(texts: Iterable[object]) -> Lines:
    """Join lines; control characters and line breaks inside of a line are escaped."""
    return Lines("\n".join(map(escaped, texts)))


def escaped(text: object) -> str:
    r"""Escape control characters as in Python's literals, so that the text is one line.

    >>> print(escaped("a\x1b[31mb\nc \u202e d"))
    a\x1b[31mb\nc \u202e d
    """
    if isinstance(text, Lines):
        return text
    return CONTROLS.sub(lambda match: ascii(match[0])[1:-1], str(text))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are aligned.

    >>> aligned([("noise:SNR", "-10 to 60"), ("room", "1")])
    ['noise:SNR  -10 to 60', 'room       1']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def several(count: int, what: str) -> str:
    """Write a count and its noun, in the plural if needed.

    >>> several(1, "utterance"), several(1200, "utterance")
    ('1 utterance', '1,200 utterances')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"
